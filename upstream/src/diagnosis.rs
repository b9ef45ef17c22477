//! What is wrong with a channel's address or key, in plain words, by how one harmless call ended.

use std::time::Duration;

use reqwest::StatusCode;

use super::connect::{Blame, NoConnection};
use super::http::{Body, Reply, Response};

/// What is wrong, by the reply alone. `Ok`: the answer is a whole 2xx, or a refusal in the dialect; a driver reads
/// its body. `path` is what was called after the base URL, and `has_key` whether a key was sent.
pub fn of_reply<'a>(reply: &'a Reply, path: &str, has_key: bool) -> Result<&'a Response, String> {
    let response = match reply {
        Reply::Response(response) => response,
        Reply::NotConnected(why) => return Err(of_no_connection(why)),
        Reply::NoResponse(why) => return Err(of_no_response(why)),
    };
    if is_page(response) {
        let status = response.status.as_u16();
        if response.status.is_success() || status == 404 {
            return Err(format!(
                "it answered {status} with a web page instead of JSON: {}",
                check_path(path)
            ));
        }
    }
    of_status(response.status, path, has_key).map_or(Ok(response), Err)
}

/// What is wrong, by a status or by the code in an answer that stands for one. `None`: the status says nothing of
/// the address or the key.
pub fn of_status(status: StatusCode, path: &str, has_key: bool) -> Option<String> {
    let number = status.as_u16();
    Some(match number {
        401 | 407 if !has_key => format!("it wants a key ({number}), and the channel has none"),
        401 | 407 => format!("it refuses the key ({number})"),
        402 => format!("the account has no credit left ({number})"),
        403 => format!("it refuses the key, or what the key may do ({number})"),
        404 => format!("it has no such path ({number}): {}", check_path(path)),
        405 => format!("it takes no POST there ({number}): {}", check_path(path)),
        408 | 425 | 429 => format!("it is too busy to answer now ({number}); test again later"),
        300..=399 => {
            let check = check_path(path);
            format!("it redirects ({number}), which is not followed: {check}, and its `https://`")
        }
        500..=599 => {
            format!("its address is reached, but what is behind it is out of order ({number})")
        }
        _ => return None,
    })
}

/// What is wrong with an answer whose body is not JSON of any dialect.
pub fn of_body(response: &Response, path: &str) -> String {
    let status = response.status.as_u16();
    match &response.body {
        Body::Torn => format!("its answer ({status}) was cut off"),
        Body::TooLarge => format!("its answer ({status}) is larger than any that it could mean"),
        Body::Whole(body) if body.trim_ascii().is_empty() => {
            format!("its answer ({status}) is empty: {}", check_path(path))
        }
        Body::Whole(_) => format!(
            "its answer ({status}) is no JSON object: {}",
            check_path(path)
        ),
    }
}

/// What is wrong with an answer that is not the one of the dialect to this call, though its status is no trouble.
/// `is_json`: it is a JSON object.
pub fn of_other_answer(response: &Response, is_json: bool, path: &str) -> String {
    if !is_json {
        return of_body(response, path);
    }
    if response.status.is_success() {
        return of_other_json(path);
    }
    format!("it refuses the call ({})", response.status.as_u16())
}

/// What is wrong with JSON of another dialect.
pub fn of_other_json(path: &str) -> String {
    let check = check_path(path);
    format!("it answered with JSON that is not of the channel's dialect: {check}")
}

/// What is wrong, with the words of the answer.
pub fn with_words(wrong: String, words: Option<String>) -> String {
    match words {
        Some(words) => format!("{wrong}: {words}"),
        None => wrong,
    }
}

/// What to check if an answer comes from somewhere else than the upstream.
fn check_path(path: &str) -> String {
    format!("check the path of the base URL, after which we call `{path}`")
}

/// The words of a person for each cause that names itself; the first that matches counts. The texts are those of
/// the system, of its resolver and of rustls.
const CAUSES: [(&str, &str); 12] = [
    ("lookup address", "there is no such host"),
    (
        "refused",
        "the connection was refused: nothing listens there",
    ),
    ("certificate", "its certificate is not valid"),
    ("InvalidContentType", NO_TLS),
    ("received corrupt message", NO_TLS),
    ("received fatal alert", "TLS failed"),
    ("peer is incompatible", "TLS failed"),
    ("peer misbehaved", "TLS failed"),
    ("handshake", "TLS failed"),
    (
        "timed out",
        "no connection was made in time: check host and port",
    ),
    ("reset", "the connection was cut: check host and port"),
    ("unreachable", "no route leads to its address"),
];

const NO_TLS: &str = "it speaks no TLS: check the port, or take `http://`";

fn of_no_connection(why: &NoConnection) -> String {
    let what = &why.what;
    match why.blame {
        Blame::Worker(trouble) | Blame::WorkerOrChannel(trouble) => {
            format!("this machine cannot call it: {trouble} ({what})")
        }
        Blame::Channel => {
            let known = CAUSES.iter().find(|(sign, _)| what.contains(sign));
            let words = known.map_or("no connection was made", |(_, words)| words);
            format!("{words} ({what})")
        }
    }
}

fn of_no_response(why: &str) -> String {
    let words = if why.contains("timed out") {
        "it took the connection, and no answer came in time"
    } else if why.contains("invalid HTTP") {
        "what listens there speaks no HTTP: check the port, or take `https://`"
    } else {
        "it took the request, and closed the connection without an answer"
    };
    format!("{words} ({why})")
}

/// Whether the body is a web page.
fn is_page(response: &Response) -> bool {
    let body = response.body.whole().unwrap_or_default().trim_ascii_start();
    body.starts_with(b"<")
}

/// How long an answer took, for people.
pub fn took(after: Duration) -> String {
    format!("it answered in {} ms", after.as_millis())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::clock::SystemClock;
    use shared::secret::Secret;
    use shared::store::channels::NewChannel;
    use shared::task::{ChannelId, Platform};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::Upstreams;

    /// What a test says of a channel at this base URL.
    async fn tested(base_url: &str) -> String {
        let short = Duration::from_millis(400);
        let upstreams = Upstreams::new(short, short, Arc::new(SystemClock));
        let upstreams = upstreams.expect("the client is made");
        let key = Secret::new("a-secret-key");
        let new = NewChannel::new("a", Platform::SUNO, base_url.to_owned(), key);
        let channel = new.with_id(ChannelId(1));
        let driver = upstreams.driver(&channel).expect("there is a driver");
        let tested = driver.test(&channel).await;
        let what = tested.expect_err("it is no upstream");
        assert!(!what.contains("a-secret-key"), "{what}");
        what
    }

    /// The address of a server that answers each connection with `answer`; `None`: it answers nothing.
    async fn server(answer: Option<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        tokio::spawn(async move {
            let mut silent = Vec::new();
            while let Ok((mut socket, _)) = listener.accept().await {
                let _ = socket.read(&mut [0; 1024]).await;
                match answer {
                    Some(answer) => drop(socket.write_all(answer.as_bytes()).await),
                    None => silent.push(socket),
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn what_is_wrong_with_an_address_is_said_in_plain_words() {
        let nobody = TcpListener::bind("127.0.0.1:0").await;
        let nobody = nobody.expect("a port is free");
        let refusing = nobody.local_addr().expect("it is bound");
        drop(nobody);
        let http = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let key = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 39\r\n\r\n{\"message\":\"no such key: a-secret-key\"}";
        for (base_url, expected) in [
            (
                format!("http://{refusing}"),
                "the connection was refused: nothing listens there",
            ),
            (format!("https://{}", server(Some(http)).await), NO_TLS),
            (
                format!("http://{}", server(Some("SSH-2.0-x\r\n")).await),
                "speaks no HTTP",
            ),
            (
                format!("http://{}", server(Some("")).await),
                "closed the connection without an answer",
            ),
            (
                format!("http://{}", server(None).await),
                "no answer came in time",
            ),
            (
                format!("http://{}", server(Some(key)).await),
                "it refuses the key (401): no such key",
            ),
        ] {
            let what = tested(&base_url).await;
            assert!(what.contains(expected), "{base_url}: {what}");
        }
    }

    #[test]
    fn certificates_and_names_are_named() {
        let unknown = rustls::CertificateError::UnknownIssuer;
        let certificate = rustls::Error::InvalidCertificate(unknown).to_string();
        for (what, expected) in [
            (certificate.as_str(), "its certificate is not valid"),
            (
                "failed to lookup address information: Name or service not known",
                "there is no such host",
            ),
            ("something new", "no connection was made"),
        ] {
            let why = NoConnection {
                what: what.to_owned(),
                blame: Blame::Channel,
            };
            let said = of_no_connection(&why);
            assert_eq!(said, format!("{expected} ({what})"));
        }
    }
}
