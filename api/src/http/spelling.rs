//! The spellings of the Suno dialect's paths (`docs/contract.md`, "Making music"): any case, slashes at the end
//! and double slashes (of a base URL that ends in one), and the paths under `/task/suno/v1` that clients of
//! other gateways use.

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use tower::ServiceBuilder;

/// A router that serves every spelling of the dialect's paths like the one that `router` knows.
pub fn lenient(router: Router) -> Router {
    let service = ServiceBuilder::new().map_request(respelled).service(router);
    Router::new().fallback_service(service)
}

fn respelled(mut request: Request) -> Request {
    let uri = request.uri();
    let Some(path) = known(uri.path()) else {
        return request;
    };
    let query = uri.query().map(|query| format!("?{query}"));
    let path = format!("{path}{}", query.unwrap_or_default());
    // Without a path, an address is no address: the request keeps the one that it came with.
    if let Ok(path) = PathAndQuery::try_from(path) {
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(path);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// The path as the router knows it; `None` if it is not one of the dialect, or is spelled so already. The
/// last part, a task's id or an action, stays as it is.
fn known(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let starts_with = |parts: &[&str], names: &[&str]| {
        parts.len() > names.len()
            && parts
                .iter()
                .zip(names)
                .all(|(part, name)| part.eq_ignore_ascii_case(name))
    };
    if starts_with(&parts, &["task", "suno", "v1"]) {
        parts.drain(..3);
    } else if starts_with(&parts, &["suno"]) {
        parts.remove(0);
    } else {
        return None;
    }
    let call = parts[0].to_ascii_lowercase();
    if !["submit", "fetch"].contains(&call.as_str()) {
        return None;
    }
    parts[0] = &call;
    let known = format!("/suno/{}", parts.join("/"));
    (known != path).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_path_leads_to_the_one_that_is_served() {
        for (path, expected) in [
            ("/suno/submit/MUSIC/", "/suno/submit/MUSIC"),
            ("/Suno/Submit/music", "/suno/submit/music"),
            ("/suno/fetch/", "/suno/fetch"),
            ("/SUNO/FETCH/task_aB", "/suno/fetch/task_aB"),
            ("/task/suno/v1/submit/music", "/suno/submit/music"),
            ("/task/suno/v1/fetch/task_aB/", "/suno/fetch/task_aB"),
            ("/task/suno/v1/fetch", "/suno/fetch"),
            ("//suno/submit/MUSIC", "/suno/submit/MUSIC"),
            ("/suno//fetch//task_aB", "/suno/fetch/task_aB"),
        ] {
            assert_eq!(known(path).as_deref(), Some(expected), "{path}");
        }
        for path in [
            "/suno/submit/music",
            "/suno",
            "/suno/",
            "/suno/x",
            "/task/suno/v1",
            "/api/task/self/",
            "/",
            "",
        ] {
            assert_eq!(known(path), None, "{path}");
        }
    }
}
