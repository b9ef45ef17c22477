//! The upstream's id of a task: the vendor's id of the request, and the paths that tell of it, give its result and
//! cancel it. The vendor says them when it accepts a request. They need not have the whole model in them, so they are
//! never built.

use reqwest::Url;

use super::answer::Answer;

/// The longest id, in bytes.
const LONGEST: usize = 1_000;

/// What stands for the path of a cancel where the vendor gave none.
const NONE: &str = "-";

/// What the id of a task holds. No part has white space in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Handle<'a> {
    /// The vendor's id of the request.
    pub(super) request: &'a str,
    /// The path that tells of the request.
    pub(super) status: &'a str,
    /// The path of its result.
    pub(super) response: &'a str,
    /// The path that cancels it.
    pub(super) cancel: Option<&'a str>,
}

impl<'a> Handle<'a> {
    /// Reads an id. `None`: it is none of ours.
    pub(super) fn read(id: &'a str) -> Option<Self> {
        let mut parts = id.split(' ');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let (request, status, response, cancel) = (next()?, next()?, next()?, next()?);
        let is_path = |path: &&str| path.starts_with('/');
        let all_are_paths = [&status, &response].into_iter().all(is_path);
        let cancel = Some(cancel).filter(|cancel| *cancel != NONE);
        let is_whole = all_are_paths && cancel.as_ref().is_none_or(is_path);
        (is_whole && parts.next().is_none()).then_some(Self {
            request,
            status,
            response,
            cancel,
        })
    }
}

/// The id of a task that the channel at this base URL accepted. `Err`: it cannot be asked about; why, for an operator.
pub(super) fn id_of(answer: &Answer<'_>, base_url: &str) -> Result<String, String> {
    let request = answer
        .request_id()
        .ok_or("it accepted and gave no request id")?;
    if request.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("it accepted and gave a request id with white space in it".to_owned());
    }
    let path = |name: &str| {
        let address = answer.address(name);
        let address = address.ok_or_else(|| format!("it accepted and gave no `{name}`"))?;
        own_path(&address, base_url).map_err(|whose| {
            format!("it accepted, and its `{name}` leads to {whose}, not to the channel's host")
        })
    };
    let cancel = match answer.address("cancel_url") {
        Some(_) => path("cancel_url")?,
        None => NONE.to_owned(),
    };
    let id = [request, path("status_url")?, path("response_url")?, cancel].join(" ");
    if id.len() > LONGEST {
        return Err(format!(
            "it accepted, and its request id and addresses have more than {LONGEST} bytes"
        ));
    }
    Ok(id)
}

/// The path and query of an address on the channel's own host. `Err`: where else it leads.
fn own_path(address: &str, base_url: &str) -> Result<String, String> {
    let nowhere = |_| "no place that reads".to_owned();
    let url = Url::parse(address).map_err(nowhere)?;
    let own = Url::parse(base_url).map_err(nowhere)?;
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none();
    if !is_plain || url.origin() != own.origin() {
        return Err(format!("`{}`", url.origin().ascii_serialization()));
    }
    let query = url.query().map(|query| format!("?{query}"));
    Ok(format!("{}{}", url.path(), query.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://queue.fal.run";

    fn id(body: &str) -> Result<String, String> {
        id_of(
            &Answer::read(body.as_bytes()).expect("it is an object"),
            BASE,
        )
    }

    fn with(status: &str, response: &str, cancel: &str) -> Result<String, String> {
        id(&format!(
            r#"{{"request_id":"r-1","status_url":"{status}","response_url":"{response}","cancel_url":"{cancel}"}}"#
        ))
    }

    #[test]
    fn an_id_has_all_that_polls_and_cancels_need() {
        let id = with(
            "https://queue.fal.run/fal-ai/x/requests/r-1/status?logs=0",
            "https://QUEUE.fal.run:443/fal-ai/x/requests/r-1#top",
            "https://queue.fal.run/fal-ai/x/requests/r-1/can cel",
        );
        let id = id.expect("all lead to the channel");
        let handle = Handle {
            request: "r-1",
            status: "/fal-ai/x/requests/r-1/status?logs=0",
            response: "/fal-ai/x/requests/r-1",
            cancel: Some("/fal-ai/x/requests/r-1/can%20cel"),
        };
        assert_eq!(Handle::read(&id), Some(handle));
    }

    #[test]
    fn an_address_on_another_host_is_not_called() {
        let own = "https://queue.fal.run/r";
        for other in [
            "https://evil.example/r",
            "http://queue.fal.run/r",
            "https://queue.fal.run:8443/r",
            "https://queue.fal.run.evil.example/r",
            "https://queue.fal.run@evil.example/r",
            "https://user:word@queue.fal.run/r",
            "https://user@queue.fal.run/r",
            "ftp://queue.fal.run/r",
            "file:///etc/passwd",
            "//queue.fal.run/r",
            "/r",
            "r",
        ] {
            for addresses in [(other, own, own), (own, other, own), (own, own, other)] {
                let refused = with(addresses.0, addresses.1, addresses.2).expect_err(other);
                assert!(refused.contains("not to the channel's host"), "{refused}");
            }
        }
        let http = r#"{"request_id":"r","status_url":"http://127.0.0.1:80/s","response_url":"http://127.0.0.1/r"}"#;
        let http = Answer::read(http.as_bytes()).expect("it is an object");
        assert_eq!(
            id_of(&http, "http://127.0.0.1/prefix").as_deref(),
            Ok("r /s /r -")
        );
    }

    #[test]
    fn what_is_missing_or_too_long_is_said() {
        let own = "https://queue.fal.run/r";
        let long = format!("{own}{}", "x".repeat(LONGEST));
        for (body, expected) in [
            (r#"{"status_url":"x"}"#.to_owned(), "no request id"),
            (r#"{"request_id":"a b"}"#.to_owned(), "white space"),
            (
                format!(r#"{{"request_id":"a","response_url":"{own}"}}"#),
                "no `status_url`",
            ),
            (
                format!(r#"{{"request_id":"a","status_url":"{own}"}}"#),
                "no `response_url`",
            ),
            (
                format!(r#"{{"request_id":"a","status_url":"{own}","response_url":"{long}"}}"#),
                "more than 1000 bytes",
            ),
        ] {
            let refused = id(&body).expect_err(&body);
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn what_is_no_id_of_ours_does_not_read() {
        for id in [
            "",
            "r-1",
            "r /s /r",
            "r s /r -",
            "r /s /r -x",
            "r /s /r /c /d",
            "r  /s /r",
        ] {
            assert_eq!(Handle::read(id), None, "{id}");
        }
        let without = Handle::read("r /s /r -").expect("it is an id");
        assert_eq!(without.cancel, None);
    }
}
