//! Which host a request is for. A proxy and a server that read two hosts differently send a request to
//! different places, so RFC 9112 (3.2) has a server refuse what does not name exactly one.

use axum::http::{Request, Version, header, uri::Authority};

/// Whether a request names exactly one host. One of HTTP/1.0 may name none; one of HTTP/2 names it in its
/// `:authority`.
pub fn is_named_once<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            host.is_empty() || Authority::try_from(host.as_bytes()).is_ok_and(|it| is_host(&it))
        }
        (None, None) => {
            request.version() < Version::HTTP_11
                || request.version() > Version::HTTP_11 && request.uri().authority().is_some()
        }
        _ => false,
    }
}

/// Whether it has no user in it.
fn is_host(authority: &Authority) -> bool {
    !authority.as_str().contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_one_host() {
        for (hosts, version, expected) in [
            (&["x"][..], Version::HTTP_11, true),
            (&["127.0.0.1:3000"], Version::HTTP_11, true),
            (&["[::1]:3000"], Version::HTTP_11, true),
            // A client that knows no host sends an empty one.
            (&[""], Version::HTTP_11, true),
            (&[], Version::HTTP_11, false),
            (&[], Version::HTTP_10, true),
            (&["x", "x"], Version::HTTP_11, false),
            (&["x", "y"], Version::HTTP_10, false),
            (&["x y"], Version::HTTP_11, false),
            (&["x, y"], Version::HTTP_11, false),
            (&["u@x"], Version::HTTP_11, false),
            (&["x/y"], Version::HTTP_11, false),
        ] {
            let mut request = Request::builder().uri("/").version(version);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            let request = request.body(()).expect("it is a request");
            assert_eq!(is_named_once(&request), expected, "{hosts:?} {version:?}");
        }
        let request = Request::builder()
            .uri("https://x/")
            .version(Version::HTTP_2);
        assert!(is_named_once(&request.body(()).expect("it is a request")));
    }
}
