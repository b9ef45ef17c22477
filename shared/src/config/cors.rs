//! The other origins whose pages may call the API: `CORS_ALLOWED_ORIGINS`.

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

impl Cors {
    /// `None`: `text` is not a list of origins.
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim() == "*" {
            return Some(Self::Any);
        }
        let listed = text.split(',').map(str::trim);
        let listed = listed.filter(|part| !part.is_empty());
        let origins: Vec<String> = listed.map(origin).collect::<Option<_>>()?;
        if origins.is_empty() {
            return Some(Self::None);
        }
        Some(Self::Origins(origins))
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
        let text = "https://App.example/, http://localhost:5173,https://b.example:443,";
        let origins = [
            "https://app.example",
            "http://localhost:5173",
            "https://b.example",
        ];
        let expected = Cors::Origins(origins.map(str::to_owned).into());
        assert_eq!(Cors::parse(text), Some(expected));
    }

    #[test]
    fn a_star_alone_is_any_origin() {
        assert_eq!(Cors::parse("*"), Some(Cors::Any));
        assert_eq!(Cors::parse("*, https://a.example"), None);
    }

    #[test]
    fn what_no_browser_would_send_is_refused() {
        for text in [
            "app.example",
            "https://a.example/path",
            "null",
            "https://u@a.example",
        ] {
            assert_eq!(Cors::parse(text), None, "{text}");
        }
    }
}
