//! Programs that write clients can use the whole of `/openapi.json`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{assert_valid, document};
use crate::app::TestApp;

/// A part of the document, behind its reference if it is one.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document
            .pointer(reference.trim_start_matches('#'))
            .expect("the reference leads somewhere"),
        None => schema,
    }
}

/// The examples of a media type or a schema.
fn examples(document: &Value, part: &Value) -> Vec<Value> {
    let schema = resolved(document, &part["schema"]);
    let mut found: Vec<Value> = [part, schema]
        .iter()
        .filter_map(|part| part.get("example").cloned())
        .collect();
    found.extend(schema["examples"].as_array().into_iter().flatten().cloned());
    let named = part["examples"].as_object().into_iter().flatten();
    found.extend(named.map(|(_, example)| example["value"].clone()));
    found
}

#[tokio::test]
async fn every_example_of_a_request_is_accepted() {
    let (app, alice) = TestApp::with_alice().await;
    let document = document(&app).await;
    let mut count = 0;
    for (path, item) in document["paths"].as_object().expect("it has paths") {
        let body = &item["post"]["requestBody"]["content"]["application/json"];
        if body.is_null() {
            continue;
        }
        let examples = examples(&document, body);
        assert!(!examples.is_empty(), "{path} has no example");
        for example in examples {
            let request = app.post(&path.replace("{action}", "music")).key(&alice.key);
            let response = request.json(example.to_string()).send().await;
            assert_eq!(
                response.status,
                200,
                "{path} {example}: {}",
                response.text()
            );
            assert_valid(&document, &body["schema"], &example, path);
            count += 1;
        }
    }
    assert_eq!(count, 5);
}

#[tokio::test]
async fn every_parameter_is_explained() {
    let app = TestApp::new().await;
    let document = document(&app).await;
    for (path, item) in document["paths"].as_object().expect("it has paths") {
        for (method, operation) in item.as_object().expect("it has methods") {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let what = parameter["description"].as_str().unwrap_or_default();
                assert!(what.len() > 10, "{method} {path}: {parameter}");
            }
        }
    }
}

/// Every schema in the document.
fn schemas<'a>(part: &'a Value, found: &mut Vec<&'a Value>) {
    match part {
        Value::Array(parts) => parts.iter().for_each(|part| schemas(part, found)),
        Value::Object(parts) => {
            found.push(part);
            parts.values().for_each(|part| schemas(part, found));
        }
        _ => {}
    }
}

/// Some generators drop a schema of an array without `items`, and every schema that refers to it.
#[tokio::test]
async fn every_array_says_what_is_in_it() {
    let app = TestApp::new().await;
    let document = document(&app).await;
    let mut found = Vec::new();
    schemas(&document, &mut found);
    let is_array = |kind: &Value| {
        *kind == "array"
            || kind
                .as_array()
                .is_some_and(|kinds| kinds.contains(&json!("array")))
    };
    let arrays = found.iter().filter(|schema| is_array(&schema["type"]));
    let mut count = 0;
    for array in arrays {
        assert!(array["items"].is_object(), "{array}");
        count += 1;
    }
    assert!(count >= 3, "{count}");
}

/// Generators for Python, Go and Java write code that is broken for such a property.
#[tokio::test]
async fn no_property_is_of_the_type_null_alone() {
    let app = TestApp::new().await;
    let document = document(&app).await;
    let mut found = Vec::new();
    schemas(&document, &mut found);
    for schema in found {
        let properties = schema["properties"].as_object().into_iter().flatten();
        for (name, property) in properties {
            assert_ne!(property["type"], json!("null"), "{name} in {schema}");
        }
    }
}

/// Generators make one class of it.
#[tokio::test]
async fn both_ways_to_fetch_answer_with_the_same_schema() {
    let app = TestApp::new().await;
    let document = document(&app).await;
    let data = |name: &str| &document["components"]["schemas"][name]["properties"]["data"];
    let task = json!({ "$ref": "#/components/schemas/Task" });
    assert_eq!(*data("Success_Task"), task);
    assert_eq!(data("Success_Vec_Task")["items"], task);
}

#[tokio::test]
async fn the_codes_are_those_of_the_contract() {
    let app = TestApp::new().await;
    let document = document(&app).await;
    let described = document["components"]["schemas"]["ErrorCode"]["enum"].as_array();
    let described: BTreeSet<&str> = described
        .expect("it is an enum")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/contract.md");
    let contract = std::fs::read_to_string(contract).expect("the file is there");
    let (_, table) = contract
        .split_once("| code | status | when |\n|---|---|---|\n")
        .expect("it has the table");
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let codes = rows.filter_map(|row| row.split('|').nth(1));
    let codes: BTreeSet<&str> = codes
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert_eq!(described, codes);
    let code = &document["components"]["schemas"]["SunoError"]["properties"]["code"];
    assert_eq!(
        resolved(&document, code)["enum"].as_array().map(Vec::len),
        Some(codes.len())
    );
}

#[tokio::test]
async fn results_of_every_shape_match_their_description() {
    let app = TestApp::new().await;
    let document = document(&app).await;
    let schema = json!({ "$ref": "#/components/schemas/Result" });
    for result in [
        json!([]),
        json!([{ "id": "c", "title": null, "more": [1], "metadata": { "duration": 120.5, "more": {} } }]),
        json!({ "id": "l", "status": "complete", "title": "t", "text": "la" }),
        json!({}),
        json!("https://cdn.example/song.mp3"),
        json!(7),
    ] {
        assert_valid(&document, &schema, &result, "a result");
    }
}
