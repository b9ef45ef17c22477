//! `/openapi.json` describes exactly the routes that the server has, and the responses that it gives.

mod clients;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use axum::http::Method;
use serde_json::{Value, json};
use shared::store::accounts::Role;

use crate::app::{SONG, TestApp, TestUser};
use crate::client::{TestRequest, TestResponse};

const SUBMIT: &str = "/suno/submit/{action}";
const FETCH: &str = "/suno/fetch/{task_id}";
const DETAIL: &str = "/api/task/{task_id}";

async fn document(app: &TestApp) -> Value {
    let response = app.get("/openapi.json").send().await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), "application/json");
    response.json()
}

/// The described methods of each described path.
fn described(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let paths = document["paths"].as_object().expect("it has paths");
    let methods = |item: &Value| {
        let methods = item.as_object().expect("a path has methods").keys();
        methods.map(|method| method.to_uppercase()).collect()
    };
    paths
        .iter()
        .map(|(path, item)| (path.clone(), methods(item)))
        .collect()
}

/// The paths that the router knows. axum tells them in its `Debug` alone: `RouteId(3): "/healthz"`.
/// `/` is where it keeps its fallback; `not_served.txt` shows that nothing is served there.
fn served(app: &TestApp) -> BTreeSet<String> {
    let router = format!("{:?}", app.router);
    let parts = router.split("): \"").skip(1);
    let paths = parts.filter_map(|part| part.split_once('"'));
    paths
        .map(|(path, _)| path.to_owned())
        .filter(|path| path.starts_with('/') && path != "/" && !path.contains("__private"))
        .collect()
}

#[tokio::test]
async fn what_is_served_is_described_and_what_is_described_is_served() {
    let app = TestApp::new().await;
    let described = described(&document(&app).await);
    let paths: BTreeSet<String> = described.keys().cloned().collect();
    assert!(paths.len() >= 11, "{paths:?}");
    assert_eq!(paths, served(&app));
}

#[tokio::test]
async fn a_path_takes_the_methods_it_is_described_with_and_no_others() {
    let app = TestApp::new().await;
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
    for (path, methods) in described(&document(&app).await) {
        let real = path.replace("{action}", "music").replace("{task_id}", "t");
        for name in known {
            let method: Method = name.parse().expect("it is a method");
            let response = app.request(method, &real).send().await;
            let is_served = response.status != 405;
            assert_eq!(is_served, methods.contains(name), "{name} {path}");
            let allowed: BTreeSet<String> = response
                .header("allow")
                .split(',')
                .map(|method| method.trim().to_owned())
                .filter(|method| !method.is_empty() && method != "HEAD")
                .collect();
            let is_right = is_served || allowed == methods;
            assert!(is_right, "{name} {path}: {allowed:?}");
        }
    }
}

/// Fails unless the description tells of this response to this operation.
fn assert_described(document: &Value, path: &str, method: &str, response: &TestResponse) {
    let title = format!("{method} {path} {}", response.status);
    let described = &document["paths"][path][method]["responses"][response.status.to_string()];
    assert!(described.is_object(), "{title} is not described");
    assert!(described["headers"]["x-request-id"].is_object(), "{title}");
    let content = described["content"].as_object().expect("it has a body");
    let (media_type, content) = content.iter().next().expect("of one type");
    let found = response.header("content-type");
    assert!(found.starts_with(media_type.as_str()), "{title}: {found}");
    if media_type == "application/json" {
        assert_valid(document, &content["schema"], &response.json(), &title);
    }
}

/// Fails unless `value` is as the schema says; references lead into the whole description.
fn assert_valid(document: &Value, schema: &Value, value: &Value, title: &str) {
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&whole).expect("the schema is one");
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{title}: {errors:?} in {value}");
}

#[tokio::test]
async fn responses_match_their_description() {
    let (app, alice) = TestApp::with_alice().await;
    let root = app.admin("root").await;
    let poor = app.user_with("poor", Role::User, 0).await;
    let document = document(&app).await;
    let song = app.song(&alice).await;
    let submit = |who: &TestUser, body: &'static str| {
        app.post("/suno/submit/music").key(&who.key).json(body)
    };
    let many = |body: String| app.post("/suno/fetch").key(&alice.key).json(body);
    let fetch = |name: &str| app.get(&format!("/suno/fetch/{name}")).key(&alice.key);
    let own = |query: &str| app.get(&format!("/api/task/self{query}")).user(&alice);
    let all = |query: &str| app.get(&format!("/api/task/{query}")).user(&root);
    let detail = |task: &str| app.get(&format!("/api/task/{task}/")).user(&alice);
    let once = |body| submit(&alice, body).header("idempotency-key", "k");
    let submit_nothing = app.post("/suno/submit/music").key(&alice.key);
    let fetch_nothing = app.post("/suno/fetch").key(&alice.key);
    let one_id = json!({ "ids": [song] }).to_string();
    let too_large = json!({ "prompt": "x".repeat(300_000) }).to_string();
    let requests: Vec<(&str, &str, TestRequest)> = vec![
        ("/healthz", "get", app.get("/healthz")),
        ("/readyz", "get", app.get("/readyz")),
        ("/metrics", "get", app.get("/metrics")),
        ("/openapi.json", "get", app.get("/openapi.json")),
        ("/api/task/self", "get", own("")),
        ("/api/task/self/", "get", own("/")),
        ("/api/task/self", "get", own("?p=x")),
        ("/api/task/self", "get", app.get("/api/task/self")),
        ("/api/task/", "get", all("")),
        ("/api/task", "get", app.get("/api/task").user(&root)),
        ("/api/task/", "get", all("?channel_id=x")),
        ("/api/task/", "get", app.get("/api/task/")),
        ("/api/task/", "get", app.get("/api/task/").user(&alice)),
        (DETAIL, "get", all(&song)),
        (DETAIL, "get", all("task_x")),
        (DETAIL, "get", app.get("/api/task/x")),
        ("/api/task/{task_id}/", "get", detail(&song)),
        (SUBMIT, "post", once(SONG)),
        (SUBMIT, "post", once(r#"{"prompt":"q"}"#)),
        (SUBMIT, "post", submit(&alice, "{}")),
        (SUBMIT, "post", submit(&poor, SONG)),
        (SUBMIT, "post", app.post("/suno/submit/music")),
        (SUBMIT, "post", submit_nothing),
        (SUBMIT, "post", app.post("/suno/submit/x").key(&alice.key)),
        (SUBMIT, "post", submit(&alice, "{}").body(too_large.clone())),
        (FETCH, "get", fetch(&song)),
        (FETCH, "get", fetch("task_x")),
        (FETCH, "get", app.get("/suno/fetch/t").key("sk-no")),
        ("/suno/fetch", "post", many(one_id)),
        ("/suno/fetch", "post", many("{}".to_owned())),
        ("/suno/fetch", "post", many(too_large)),
        ("/suno/fetch", "post", fetch_nothing),
        ("/suno/fetch", "post", app.post("/suno/fetch")),
    ];
    for (path, method, request) in requests {
        assert_described(&document, path, method, &request.send().await);
    }
}

#[tokio::test]
async fn responses_to_disabled_users_and_during_outages_match_their_description() {
    let (app, alice) = TestApp::with_alice().await;
    let root = app.admin("root").await;
    let bob = app.user("bob").await;
    let document = document(&app).await;
    let submit = || app.post("/suno/submit/music").key(&bob.key);
    let many = |who: &TestUser| app.post("/suno/fetch").key(&who.key).json("{}");
    let all = || app.get("/api/task/").user(&root);

    app.disable_user("alice").await;
    let own = app.get("/api/task/self").user(&alice).send().await;
    assert_described(&document, "/api/task/self", "get", &own);
    let response = many(&alice).send().await;
    assert_described(&document, "/suno/fetch", "post", &response);

    app.disable_channel("main").await;
    let response = submit().json(SONG).send().await;
    assert_eq!(response.status, 503);
    assert_described(&document, SUBMIT, "post", &response);

    app.store.close().await;
    for (path, method, request) in [
        ("/readyz", "get", app.get("/readyz")),
        ("/api/task/", "get", all()),
        ("/suno/fetch", "post", many(&bob)),
    ] {
        let response = request.send().await;
        assert!(response.status >= 500, "{path}");
        assert_described(&document, path, method, &response);
    }
}

#[tokio::test]
async fn golden_responses_match_their_description() {
    let app = TestApp::new().await;
    let document = document(&app).await;
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let read = |name: &str| std::fs::read_to_string(golden.join(name)).expect("the file is there");
    for (name, path, method) in [
        ("list_own.json", "/api/task/self", "get"),
        ("list_empty.json", "/api/task/self", "get"),
        ("list_all.json", "/api/task/", "get"),
        ("detail_own.json", DETAIL, "get"),
        ("fetch.json", FETCH, "get"),
        ("fetch_many.json", "/suno/fetch", "post"),
        ("submit.json", SUBMIT, "post"),
    ] {
        let value = serde_json::from_str(&read(name)).expect("it is JSON");
        let content = &document["paths"][path][method]["responses"]["200"]["content"];
        let schema = &content["application/json"]["schema"];
        assert_valid(&document, schema, &value, name);
    }
    for name in [
        "bad_bodies.txt",
        "bad_parameters.txt",
        "not_served.txt",
        "refusals.txt",
    ] {
        let text = read(name);
        let bodies = text.lines().filter_map(|line| line.trim().split_once(" {"));
        let bodies = bodies.filter(|(status, _)| status.len() == 3);
        let mut count = 0;
        for (_, rest) in bodies {
            let value: Value = serde_json::from_str(&format!("{{{rest}")).expect("it is JSON");
            let shape = if value["success"].is_null() {
                "SunoError"
            } else {
                "ApiError"
            };
            let schema = json!({ "$ref": format!("#/components/schemas/{shape}") });
            assert_valid(&document, &schema, &value, name);
            count += 1;
        }
        assert!(count > 5, "{name} has too few responses");
    }
}

/// The parameters are read by hand: what is described is really read.
#[tokio::test]
async fn every_described_parameter_of_the_listings_is_read() {
    let app = TestApp::new().await;
    let root = app.admin("root").await;
    let document = document(&app).await;
    let parameters = document["paths"]["/api/task/"]["get"]["parameters"].as_array();
    let mut read = BTreeSet::new();
    for parameter in parameters.expect("it has parameters") {
        if parameter["in"] == "query" {
            let name = parameter["name"].as_str().expect("it has a name");
            let path = format!("/api/task/?{name}=a%00");
            let response = app.get(&path).user(&root).send().await;
            assert_eq!(response.status, 400, "{path}");
            let text = response.text();
            assert!(text.contains(name), "{path}: {text}");
            read.insert(name);
        }
    }
    assert_eq!(read.len(), 12, "{read:?}");
}
