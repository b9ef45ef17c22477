//! Strict parsing of query strings. A wrong value is an error that names the parameter; it is never
//! ignored.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::error::{ApiError, Result, Wanted};

/// What a browser prints for no value.
pub(crate) const ABSENT: [&str; 4] = ["", "NaN", "null", "undefined"];

/// The smallest number of 12 digits: a time this large is in milliseconds.
pub(crate) const MILLISECONDS: i64 = 100_000_000_000;

/// The parameters of a request. An empty parameter counts as absent, because existing web clients
/// send every parameter, and so do `NaN`, `null` and `undefined`. If a parameter is repeated, the last
/// one counts. Unknown parameters are ignored.
#[derive(Debug, Clone)]
pub struct Query(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl Query {
    /// Parses `a=1&b=%20`: percent-encoded UTF-8, with `+` for a space.
    pub fn parse(query: &str) -> Result<Self> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        });
        Ok(Self(pairs.collect::<Result<_>>()?))
    }

    /// The text of a parameter. A NUL character is an error, because the databases cannot store it.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>> {
        match self.last(name) {
            Some(text) if text.contains('\0') => {
                Err(ApiError::Parameter(name, Wanted::TextWithoutNul))
            }
            found => Ok(found),
        }
    }

    /// The whole number of a parameter: digits, with an optional sign, and white space around. A
    /// number beyond 64 bits counts as the nearest within.
    pub fn number(&self, name: &'static str) -> Result<Option<i64>> {
        let Some(text) = self.last(name) else {
            return Ok(None);
        };
        match number(text.trim()) {
            None => Err(ApiError::Parameter(name, Wanted::WholeNumber)),
            some => Ok(some),
        }
    }

    /// A time in Unix seconds.
    pub fn seconds(&self, name: &'static str) -> Result<Option<i64>> {
        match self.number(name)? {
            Some(time) if time >= MILLISECONDS => Err(ApiError::Parameter(name, Wanted::Seconds)),
            time => Ok(time),
        }
    }

    fn last(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().rev().filter(|(given, _)| given == name);
        let (_, value) = found.next()?;
        (!ABSENT.contains(&value.as_str())).then_some(value)
    }
}

fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let beyond = if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    Some(text.parse().unwrap_or(beyond))
}

fn decoded(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let [high, low, tail @ ..] = rest else {
                    return Err(ApiError::QueryEncoding);
                };
                rest = tail;
                hexadecimal(*high, *low).ok_or(ApiError::QueryEncoding)?
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).map_err(|_| ApiError::QueryEncoding)
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number_in(query: &str) -> Result<Option<i64>> {
        Query::parse(query)?.number("p")
    }

    fn text_in(query: &str) -> Result<Option<String>> {
        let query = Query::parse(query)?;
        Ok(query.text("task_id")?.map(str::to_owned))
    }

    #[test]
    fn numbers_may_have_a_sign_and_white_space() {
        for query in [
            "p=12",
            "p=+12",
            "p=%2B12",
            "p=%2012%09",
            "p=0012",
            "p=&p=12",
        ] {
            assert_eq!(number_in(query), Ok(Some(12)), "{query}");
        }
        assert_eq!(number_in("p=-3"), Ok(Some(-3)));
    }

    #[test]
    fn numbers_beyond_64_bits_are_the_largest_and_the_smallest() {
        assert_eq!(number_in("p=9223372036854775808"), Ok(Some(i64::MAX)));
        assert_eq!(number_in("p=-9223372036854775809"), Ok(Some(i64::MIN)));
    }

    #[test]
    fn a_value_that_is_not_a_number_is_refused() {
        let refused = Err(ApiError::Parameter("p", Wanted::WholeNumber));
        for value in ["x", "1.5", "1e3", "0x1", "--1", "%20", "nan", "1_000", "١"] {
            assert_eq!(number_in(&format!("p={value}")), refused, "{value}");
        }
    }

    #[test]
    fn an_empty_parameter_is_absent_and_the_last_of_two_counts() {
        for query in [
            "",
            "&&",
            "p=",
            "p",
            "p=5&p=",
            "P=5",
            "p=NaN",
            "p=null",
            "p=undefined",
        ] {
            assert_eq!(number_in(query), Ok(None), "{query}");
        }
        assert_eq!(number_in("p=5&p=6"), Ok(Some(6)));
    }

    #[test]
    fn text_is_percent_encoded_utf_8() {
        let text = text_in("task_id=%E6%AD%8C+a%2bb=c");
        assert_eq!(text, Ok(Some("歌 a+b=c".to_owned())));
        for value in ["%", "%a", "%zz", "%+1", "%ff", "%e6%ad"] {
            let refused = text_in(&format!("task_id={value}"));
            assert_eq!(refused, Err(ApiError::QueryEncoding), "{value}");
        }
    }

    #[test]
    fn text_with_a_nul_is_refused() {
        let refused = text_in("task_id=a%00b");
        let expected = ApiError::Parameter("task_id", Wanted::TextWithoutNul);
        assert_eq!(refused, Err(expected));
    }
}
