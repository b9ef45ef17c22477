//! The other origins whose pages may call the API: `CORS_ALLOWED_ORIGINS`.

use std::str::FromStr;

use url::Url;

/// The accepted values of `CORS_ALLOWED_ORIGINS`, for messages.
pub(super) const TAKES: &str =
    "origins such as `https://app.example` (no path) separated by commas, or `*` alone";

/// The other origins whose pages may call the API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Cors {
    /// None.
    #[default]
    None,
    /// All.
    Any,
    /// These, each as a browser sends it in `Origin`: lower case, no default port, no slash.
    Origins(Vec<String>),
}

/// The text is not a list of origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("allowed origins are {TAKES}")]
pub struct NotOrigins;

impl FromStr for Cors {
    type Err = NotOrigins;

    fn from_str(text: &str) -> Result<Self, NotOrigins> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let listed = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let origins = listed
            .map(origin)
            .collect::<Option<Vec<_>>>()
            .ok_or(NotOrigins)?;
        if origins.is_empty() {
            return Ok(Self::None);
        }
        Ok(Self::Origins(origins))
    }
}

fn origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let bare = url.path() == "/"
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let web = matches!(url.scheme(), "http" | "https") && text.contains("://");
    (bare && web).then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_kept_as_browsers_send_them() {
        let cors = "https://App.example/, http://localhost:5173,https://b.example:443,".parse();
        let origins = [
            "https://app.example",
            "http://localhost:5173",
            "https://b.example",
        ];
        assert_eq!(cors, Ok(Cors::Origins(origins.map(str::to_owned).into())));
    }

    #[test]
    fn a_star_alone_is_any_origin() {
        assert_eq!("*".parse(), Ok(Cors::Any));
        assert_eq!("*, https://a.example".parse::<Cors>(), Err(NotOrigins));
    }

    #[test]
    fn what_no_browser_would_send_is_refused() {
        for text in [
            "app.example",
            "https://a.example/path",
            "null",
            "https://u@a.example",
        ] {
            assert_eq!(text.parse::<Cors>(), Err(NotOrigins), "{text}");
        }
    }
}
