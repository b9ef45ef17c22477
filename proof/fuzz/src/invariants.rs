//! One function for each kind of input. It takes any bytes and panics if its invariant is broken.

use std::time::Duration;

use api::routes::submits::request::SubmitRequest;
use api::routes::task::parameters::ListRequest;
use api::routes::task::query::Query;
use reqwest::StatusCode;
use serde_json::Value;
use shared::broker::Message;
use shared::broker::message::MOST_TASKS;
use shared::clock::Millis;
use shared::json;
use shared::secret::Secret;
use shared::task::inputs::Inputs;
use shared::task::scrub::Scrub;
use shared::task::step::{Known, Observation, Step};
use shared::task::{Action, Platform, Progress, Status};
use upstream::fal::outcome as fal;
use upstream::http::{self, Body, Reply, Response};
use upstream::mureka::outcome as mureka;
use upstream::suno::actions::ACTIONS;
use upstream::suno::answer::Envelope;
use upstream::suno::outcome::{of_fetch, of_submit};
use upstream::sunoapi::{KIE, SUNOAPI, outcome as sunoapi};
use upstream::{Asked, FetchOutcome, SubmitOutcome};

/// A function that panics if the input breaks its invariant.
pub type Invariant = fn(&[u8]);

/// Every invariant, by the name of its fuzz target and of its folder of seeds.
pub const ALL: [(&str, Invariant); 9] = [
    ("message", message),
    ("fetch_answer", fetch_answer),
    ("fetch_item", fetch_item),
    ("submit_answer", submit_answer),
    ("vendor_answer", vendor_answer),
    ("retry_after", retry_after),
    ("scrub", scrub),
    ("query", query),
    ("body", body),
];

/// 2024-05-20T07:55:49Z.
const NOW: Millis = Millis(1_716_191_749_000);
/// The channel's address that [`scrub`] hides.
const ADDRESS: &str = "http://10.0.0.7:8000/v1";

/// A queue message: if it can be read, writing and reading it again gives the same message.
pub fn message(bytes: &[u8]) {
    let Ok(message) = Message::from_json(bytes) else {
        return;
    };
    if let Message::Poll { tasks, .. } = &message {
        assert!(tasks.len() <= MOST_TASKS);
    }
    let written = message.to_json();
    assert_eq!(Message::from_json(&written), Ok(message));
}

/// A query string: the page stays within its bounds, and every text can be stored in the database.
pub fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(asked) = Query::parse(text).and_then(|query| ListRequest::from_query(&query)) else {
        return;
    };
    assert!(asked.page >= 1 && (1..=100).contains(&asked.page_size) && asked.offset() >= 0);
    let texts = [&asked.filter.platform, &asked.filter.task_id];
    for text in texts.into_iter().flatten() {
        assert!(!text.is_empty() && !text.contains('\0'));
    }
}

/// The body of a submit: an accepted body is forwarded as JSON that is accepted again and has the same
/// meaning. Its canonical text is its own, and is forwarded as the same JSON.
pub fn body(bytes: &[u8]) {
    for (inputs, action) in actions() {
        let parse = |json: &[u8]| SubmitRequest::parse(inputs, action, json);
        let Ok(mut request) = parse(bytes) else {
            continue;
        };
        assert!(!request.input.contains('\0'));
        let json = request.to_json().expect("a parsed request is JSON");
        let again = parse(json.as_bytes()).expect("it is still accepted");
        assert_eq!(again.to_json().as_ref(), Ok(&json));
        assert_eq!(
            (&again.input, &again.task_id),
            (&request.input, &request.task_id)
        );
        let canonical = json::canonical(bytes).expect("an accepted body has a canonical text");
        let same = parse(canonical.as_bytes()).expect("it is accepted too");
        let same = same.to_json().expect("a parsed request is JSON");
        assert_eq!(
            json::canonical(same.as_bytes()),
            json::canonical(json.as_bytes())
        );
        assert_eq!(json::canonical(canonical.as_bytes()), Some(canonical));
        request
            .set_upstream_id(Some("upstream-7"))
            .expect("an id is text");
        let renamed = request.to_json().expect("a parsed request is JSON");
        let renamed = parse(renamed.as_bytes()).expect("it is still accepted");
        let named = inputs.task.map(|_| "upstream-7");
        assert_eq!(renamed.task_id.as_deref(), named);
    }
}

/// Every action of every platform, with what we read of its requests.
fn actions() -> impl Iterator<Item = (&'static Inputs, Action)> {
    Platform::known().flat_map(|platform| {
        let inputs = upstream::inputs(*platform).expect("it is known");
        platform.actions().map(move |action| (inputs, *action))
    })
}

/// A `Retry-After` header: whole seconds are taken as they stand, and no wait ends in the past.
pub fn retry_after(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let wait = http::retry_after(text, NOW);
    if let Ok(seconds) = text.parse::<u32>() {
        assert_eq!(wait, Some(Duration::from_secs(seconds.into())));
    }
    if let Some(wait) = wait {
        assert!(NOW.after(wait) >= NOW);
    }
}

/// An upstream's answer: the first byte chooses the status, the rest is the body.
fn reply(bytes: &[u8]) -> Option<(StatusCode, &[u8], Reply)> {
    let (status, body) = bytes.split_first()?;
    let statuses = [200, 201, 204, 400, 404, 401, 429, 500, 502, 302, 504];
    let status = statuses[usize::from(*status) % statuses.len()];
    let status = StatusCode::from_u16(status).ok()?;
    let reply = Reply::Response(Response {
        status,
        body: Body::Whole(body.to_vec()),
        retry_after: None,
        after: Duration::ZERO,
    });
    Some((status, body, reply))
}

/// An answer to a fetch: only requested tasks come out of it, and no task goes backwards.
pub fn fetch_answer(bytes: &[u8]) {
    let requested = ["a", "b", "upstream-7"].map(|id| Asked::new(id, Action::SONG));
    let Some((status, _, reply)) = reply(bytes) else {
        return;
    };
    match of_fetch(&reply, &requested) {
        FetchOutcome::Answered(tasks) => {
            assert!(status.is_success());
            for (id, observation) in tasks {
                let is_asked = requested.iter().any(|one| one.upstream_id == id);
                assert!(is_asked, "{id:?} was not requested");
                assert_observation(&observation);
            }
        }
        FetchOutcome::IdsRefused
        | FetchOutcome::TooLarge(_)
        | FetchOutcome::Failed(_)
        | FetchOutcome::NotConnected(_) => {}
    }
}

/// The answer of a vendor that tells of one task in each call (`sunoapi`, `mureka`, `fal`). As the answer to a fetch, it
/// says something of that task only. As the answer to a submit, it accepts no task without a name, and its result can
/// be stored.
pub fn vendor_answer(bytes: &[u8]) {
    let Some((status, _, reply)) = reply(bytes) else {
        return;
    };
    for action in [Action::SONG, Action::LYRICS] {
        let asked = Asked::new("upstream-7", action);
        let fetched = [
            sunoapi::of_fetch(&reply, &asked, &SUNOAPI),
            mureka::of_fetch(&reply, &asked),
        ];
        for outcome in fetched {
            let FetchOutcome::Answered(tasks) = outcome else {
                continue;
            };
            assert!(status.is_success());
            for (id, observation) in tasks {
                assert_eq!(id, asked.upstream_id);
                assert_observation(&observation);
            }
        }
    }
    fal_answer(&reply);
    let mut submitted = vec![sunoapi::of_submit(&reply, &KIE)];
    submitted.extend(
        Platform::MUREKA
            .actions()
            .map(|action| mureka::of_submit(&reply, *action)),
    );
    for outcome in submitted {
        match outcome {
            SubmitOutcome::Accepted(id) => {
                assert!(status.is_success());
                assert!(!id.is_empty() && id.len() <= 255 && !id.contains(char::is_control));
            }
            SubmitOutcome::Made(made) => {
                assert!(status.is_success());
                assert_data(made.data.get());
            }
            _ => {}
        }
    }
}

/// One item of an answer to a fetch, between two good ones: if its brackets match, both good ones are read.
pub fn fetch_item(bytes: &[u8]) {
    let of =
        |id: &str| format!(r#"{{"task_id":"{id}","status":"SUCCESS","data":[{{"id":"{id}"}}]}}"#);
    let items = [of("a").as_bytes(), bytes, of("b").as_bytes()].join(&b',');
    let list = [&b"["[..], &items, b"]"].concat();
    let split = json::items(&list).unwrap_or_default();
    if split.len() < 2 || split[split.len() - 1] != of("b").as_bytes() {
        return;
    }
    let body = [&br#"{"code":"success","data":"#[..], &list, b"}"].concat();
    let reply = Reply::Response(Response {
        status: StatusCode::OK,
        body: Body::Whole(body),
        retry_after: None,
        after: Duration::ZERO,
    });
    let requested = ["a", "b", "upstream-7"].map(|id| Asked::new(id, Action::SONG));
    let FetchOutcome::Answered(tasks) = of_fetch(&reply, &requested) else {
        panic!("one item spoils the whole answer");
    };
    for id in ["a", "b"] {
        assert!(tasks.contains_key(id), "{id} is lost beside another item");
    }
    let first = tasks["a"].data.as_ref().map(|data| data.get());
    assert_eq!(first, Some(r#"[{"id":"a"}]"#));
    tasks.values().for_each(assert_observation);
}

/// An answer of `fal` about a task or its result: only that task comes out of it, and the same answer to a submit accepts
/// nothing without addresses of the channel.
fn fal_answer(reply: &Reply) {
    let asked = Asked::new("upstream-7 /s /r /c", Action::SONG);
    let fetched = [
        fal::of_status(reply, &asked),
        Some(fal::of_result(reply, &asked)),
    ];
    for outcome in fetched.into_iter().flatten() {
        let FetchOutcome::Answered(tasks) = outcome else {
            continue;
        };
        for (id, observation) in tasks {
            assert_eq!(id, asked.upstream_id);
            assert_observation(&observation);
        }
    }
    if let SubmitOutcome::Accepted(id) = fal::of_submit(reply, "http://fal") {
        assert!(id.len() <= 1_000 && !id.contains(char::is_control));
        let mut paths = id.split(' ').skip(1);
        assert!(paths.all(|path| path.starts_with('/') || path == "-"));
    }
}

/// A result that can be stored.
fn assert_data(data: &str) {
    // Everything that we forward, store or show has the same bounds.
    assert!(data.len() <= 1 << 20 && json::depth(data.as_bytes()) <= json::MOST_DEPTH);
    // Both databases store the data as text, which cannot hold NUL.
    assert!(!data.contains('\0'));
}

fn assert_observation(observation: &Observation) {
    assert!(observation.progress.is_none_or(|percent| percent <= 100));
    if let Some(data) = &observation.data {
        assert_data(data.get());
    }
    let ended = observation.status.filter(|status| status.is_terminal());
    let unfinished = Status::ALL.into_iter().filter(|one| !one.is_terminal());
    for status in unfinished {
        let progress = Progress::NONE.advance(status, Some(50));
        let known = Known {
            status,
            progress,
            digest: 0,
        };
        match observation.clone().step(known) {
            Step::Same => assert_eq!(ended, None),
            Step::Moved {
                status: next,
                progress: then,
                ..
            } => {
                assert!(ended.is_none() && (next == status || status.may_become(next)));
                assert!(then >= progress && then < Progress::DONE && !next.is_terminal());
            }
            Step::Succeeded { .. } => assert_eq!(ended, Some(Status::Success)),
            Step::Failed { .. } => assert_eq!(ended, Some(Status::Failure)),
        }
    }
}

/// An answer to a submit: it counts as "not arrived" only if it says so. A submit that may have arrived
/// must not be sent again, because the upstream would make and bill the task twice.
pub fn submit_answer(bytes: &[u8]) {
    let Some((status, body, reply)) = reply(bytes) else {
        return;
    };
    let code = Envelope::read(body).and_then(|envelope| envelope.code());
    for line in &ACTIONS {
        submitted(status, code.clone(), of_submit(&reply, line.holds));
    }
}

fn submitted(status: StatusCode, code: Option<String>, outcome: SubmitOutcome) {
    match outcome {
        SubmitOutcome::Accepted(id) => {
            assert!(status.is_success() && code.is_some());
            assert!((1..=255).contains(&id.len()) && !id.contains(char::is_control));
        }
        SubmitOutcome::Made(_) => assert!(status.is_success()),
        SubmitOutcome::NotArrived(_) if status.is_success() => {
            assert!(code.is_some_and(|code| code != "success"));
        }
        SubmitOutcome::Refused(_) if status.is_success() => {
            assert!(code.is_none_or(|code| code != "success"));
        }
        SubmitOutcome::NotArrived(_)
        | SubmitOutcome::NotConnected(_)
        | SubmitOutcome::Refused(_) => {}
        SubmitOutcome::Unknown(_) => {
            assert!(status.is_success() || [408, 504, 524].contains(&status.as_u16()));
        }
    }
}

/// Scrubbing: a channel's key and address never show. The first byte is the length of the key; the key
/// follows; the rest is the upstream's text.
pub fn scrub(bytes: &[u8]) {
    let Some((key, said)) = key_and_text(bytes) else {
        return;
    };
    let scrub = Scrub::channel(ADDRESS, &Secret::new(key));
    for shown in [scrub.clean(&said), scrub.reason(&said)] {
        assert_hidden(key, &shown);
    }
    let reason = scrub.reason(&said);
    assert!(reason.chars().count() <= 501 && !reason.contains(char::is_control));
    let json = scrub.json(&said);
    assert_eq!(
        scrub.json(&json),
        json,
        "scrubbing twice changes nothing more"
    );
    if let Ok(before) = serde_json::from_str::<Value>(&said) {
        let after = serde_json::from_str(&json).expect("JSON stays JSON");
        assert_same_form(&before, &after);
        assert_strings_hidden(key, &after);
    }
}

/// A key is printable ASCII, as the command line accepts it. A key of less than four characters occurs in
/// ordinary words and is not hidden.
fn key_and_text(bytes: &[u8]) -> Option<(&str, String)> {
    let (length, rest) = bytes.split_first()?;
    let (key, said) = rest.split_at_checked(usize::from(*length))?;
    let is_key = key.len() >= 4 && key.iter().all(u8::is_ascii_graphic);
    let key = std::str::from_utf8(key).ok().filter(|_| is_key)?;
    Some((key, String::from_utf8_lossy(said).into_owned()))
}

fn assert_hidden(key: &str, shown: &str) {
    for hidden in [key, ADDRESS, "10.0.0.7"] {
        assert!(!shown.contains(hidden), "{shown:?} shows {hidden:?}");
    }
}

fn assert_strings_hidden(key: &str, value: &Value) {
    match value {
        Value::String(text) => assert_hidden(key, text),
        Value::Array(items) => items
            .iter()
            .for_each(|item| assert_strings_hidden(key, item)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| {
            assert_hidden(key, name);
            assert_strings_hidden(key, field);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Only the contents of strings may differ.
fn assert_same_form(before: &Value, after: &Value) {
    match (before, after) {
        (Value::String(_), Value::String(_)) => {}
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len());
            let both = before.iter().zip(after);
            both.for_each(|(before, after)| assert_same_form(before, after));
        }
        // Two field names may become the same once both are scrubbed.
        (Value::Object(before), Value::Object(after)) => assert!(after.len() <= before.len()),
        (before, after) => assert_eq!(before, after),
    }
}
