//! Who sends too much is refused, and nobody else (`docs/contract.md`, "Limits and fairness").

mod at_once;
mod rate;
mod sign_ins;
mod waiting;

use api::http::throttle::Bounds;

use crate::app::{TestApp, TestUser, unbounded};
use crate::client::TestResponse;

const OWN: &str = "/api/task/self";
const FETCH: &str = "/suno/fetch/task_x";

/// An app with these bounds, the channel `main` and the user `alice`.
async fn app(bounds: Bounds) -> (TestApp, TestUser) {
    let app = TestApp::with_throttle(bounds).await;
    app.channel("main").await;
    let alice = app.user("alice").await;
    (app, alice)
}

/// So many requests a second, and any number at once.
fn rate(rate: u32) -> Bounds {
    Bounds {
        rate,
        ..unbounded()
    }
}

/// Checks that a response refuses what is too much, and returns its `Retry-After`.
fn too_many(response: &TestResponse) -> u64 {
    assert_eq!(response.status, 429, "{}", response.text());
    let json = response.json();
    if json["success"].is_null() {
        assert_eq!(response.error(), "429 too_many_requests");
    } else {
        assert_eq!(json["success"], false);
        assert!(
            json["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
    assert_eq!(response.header("www-authenticate"), "");
    assert_eq!(response.header("connection"), "");
    let seconds = response.header("retry-after").parse();
    let seconds = seconds.expect("whole seconds");
    assert!(seconds >= 1);
    seconds
}
