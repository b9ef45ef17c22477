//! Browsers of other origins (`CORS_ALLOWED_ORIGINS`).

use axum::http::Method;
use shared::config::Cors;

use crate::client::Answer;
use crate::world::World;

const ORIGIN: &str = "https://app.example";

async fn preflight(world: &World, origin: &str) -> Answer {
    world
        .ask(Method::OPTIONS, "/suno/submit/music")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        )
        .send()
        .await
}

fn listed() -> Cors {
    Cors::Origins(vec![ORIGIN.to_owned(), "http://localhost:5173".to_owned()])
}

#[tokio::test]
async fn a_preflight_of_an_allowed_origin_names_what_it_may_send() {
    for (cors, allowed) in [(listed(), ORIGIN), (Cors::Any, "*")] {
        let world = World::with_cors(cors).await;
        let answer = preflight(&world, ORIGIN).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), allowed);
        assert_eq!(answer.header("access-control-allow-methods"), "GET,POST");
        assert_eq!(
            answer.header("access-control-allow-headers"),
            "authorization,content-type,new-api-user,idempotency-key,x-request-id"
        );
        assert!(!answer.header("x-request-id").is_empty());
    }
}

#[tokio::test]
async fn an_origin_that_is_not_listed_gets_no_leave() {
    let world = World::with_cors(listed()).await;
    for origin in ["https://evil.example", "https://app.example.evil", "null"] {
        let answer = preflight(&world, origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
    }
}

#[tokio::test]
async fn without_configuration_no_origin_gets_leave() {
    let world = World::new().await;
    let answer = preflight(&world, ORIGIN).await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn answers_and_errors_alike_may_be_read_with_their_request_id() {
    let world = World::with_cors(listed()).await;
    let alice = world.user("alice").await;
    for answer in [
        world
            .get("/api/task/self")
            .user(&alice)
            .header("origin", ORIGIN),
        world.get("/api/task/self").header("origin", ORIGIN),
        world.get("/nowhere").header("origin", ORIGIN),
        world.post("/healthz").header("origin", ORIGIN),
    ] {
        let answer = answer.send().await;
        assert_eq!(answer.header("access-control-allow-origin"), ORIGIN);
        assert_eq!(
            answer.header("access-control-expose-headers"),
            "x-request-id"
        );
    }
}
