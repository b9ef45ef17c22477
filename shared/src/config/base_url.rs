//! A URL to which a path is appended: `SUNO_BASE_URL`, `PUBLIC_URL`, and `channel create --base-url`.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// The accepted values, for messages.
pub(super) const TAKES: &str = "an absolute URL such as `https://music.example`, without a user name, a password, `?` or `#` in it";

/// A URL to which a path is appended: absolute, `http` or `https`, without credentials and query. It does not end
/// in a slash, so that a path can be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BaseUrl {
    type Err = NotABaseUrl;

    fn from_str(text: &str) -> Result<Self, NotABaseUrl> {
        // The parser would drop some of these silently.
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(NotABaseUrl);
        }
        let url = Url::parse(text).map_err(|_| NotABaseUrl)?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        // The parser accepts `http:host`, which is more likely a mistake.
        let absolute = text.contains("://") && url.has_host();
        if !plain || !absolute || !matches!(url.scheme(), "http" | "https") {
            return Err(NotABaseUrl);
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not such a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a base URL is {TAKES}")]
pub struct NotABaseUrl;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_has_no_slash_at_its_end() {
        for (text, kept) in [
            ("https://a.example", "https://a.example"),
            ("https://a.example/", "https://a.example"),
            ("http://A.example:8000/v1//", "http://a.example:8000/v1"),
            ("http://[::1]:9", "http://[::1]:9"),
        ] {
            let url: Result<BaseUrl, _> = text.parse();
            assert_eq!(url.as_ref().map(BaseUrl::as_str), Ok(kept));
        }
    }

    #[test]
    fn what_could_not_be_called_as_it_stands_is_refused() {
        for text in [
            "",
            "a.example",
            "/v1",
            "ftp://a.example",
            "http:a.example",
            "http://",
            "https://u:p@a.example",
            "https://u@a.example",
            "https://a.example?key=1",
            "https://a.example#top",
            "https://a.exa mple",
            "https://a.example/\n",
        ] {
            assert_eq!(text.parse::<BaseUrl>(), Err(NotABaseUrl), "{text}");
        }
    }
}
