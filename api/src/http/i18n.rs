//! The language of a response: Chinese by default, English if `Accept-Language` prefers it
//! (`docs/contract.md`, "Callers and credentials").

use std::borrow::Cow;

use axum::http::{HeaderMap, header};

/// A language of error texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Chinese, the default.
    Chinese,
    /// English.
    English,
}

/// A text in each language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// In Chinese.
    pub chinese: Cow<'static, str>,
    /// In English.
    pub english: Cow<'static, str>,
}

impl Text {
    /// The text in `language`.
    pub fn into(self, language: Language) -> Cow<'static, str> {
        match language {
            Language::Chinese => self.chinese,
            Language::English => self.english,
        }
    }
}

impl Language {
    /// Its tag, as in `Content-Language`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh",
            Self::English => "en",
        }
    }

    /// The language with the highest `q` in `Accept-Language`; of equals, the first. `*` stands for
    /// Chinese. Entries of other languages and malformed entries are ignored.
    pub fn preferred(headers: &HeaderMap) -> Self {
        let mut best = (Self::Chinese, 0);
        for value in headers.get_all(header::ACCEPT_LANGUAGE) {
            let entries = value.to_str().unwrap_or_default().split(',');
            for (language, quality) in entries.filter_map(entry) {
                if quality > best.1 {
                    best = (language, quality);
                }
            }
        }
        best.0
    }
}

/// Parses one entry, such as `en-US;q=0.8`: the language, and `q` in thousandths.
fn entry(text: &str) -> Option<(Language, u16)> {
    let mut parts = text.split(';');
    let range = parts.next()?.trim().to_ascii_lowercase();
    let language = match range.split('-').next()? {
        "en" => Language::English,
        "zh" | "*" => Language::Chinese,
        _ => return None,
    };
    let quality = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("q")
            .then(|| thousandths(value.trim()))
    });
    Some((language, quality.unwrap_or(Some(1000))?))
}

/// Parses a quality, `0` to `1` with up to three decimals, in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = decimals.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits || decimals.len() > 3 || !matches!(whole, "0" | "1") {
        return None;
    }
    let number: u16 = format!("{whole}{decimals:0<3}").parse().ok()?;
    (number <= 1000).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn preferred(lines: &[&str]) -> Language {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_str(line).expect("it is a header");
            headers.append(header::ACCEPT_LANGUAGE, value);
        }
        Language::preferred(&headers)
    }

    #[test]
    fn the_default_is_chinese() {
        for lines in [&[][..], &[""], &["fr"], &["*"], &["en;q=0"], &["en;q=high"]] {
            assert_eq!(preferred(lines), Language::Chinese, "{lines:?}");
        }
    }

    #[test]
    fn the_highest_quality_wins_and_the_first_of_equals() {
        use Language::{Chinese, English};
        for (line, language) in [
            ("en", English),
            ("en-US,en;q=0.9,zh-CN;q=0.8", English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Chinese),
            ("zh;q=0.3, en;q=0.301", English),
            ("zh , EN-gb", Chinese),
            ("EN-gb , zh", English),
            ("fr, en;q=0.1", English),
            ("fr;q=1, *;q=0.5, en;q=0.4", Chinese),
            ("english, zh;q=0.1", Chinese),
            ("en; Q=0.2, zh; q=0.1", English),
        ] {
            assert_eq!(preferred(&[line]), language, "{line}");
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        assert_eq!(preferred(&["zh;q=0.5", "en;q=0.6"]), Language::English);
    }

    #[test]
    fn a_quality_reads_to_three_decimals() {
        for (text, number) in [("1", 1000), ("0.5", 500), ("0.", 0), ("0.001", 1)] {
            assert_eq!(thousandths(text), Some(number), "{text}");
        }
        for text in ["", "2", "1.001", "0.0001", "-1", "0.+1", ".5"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }
}
