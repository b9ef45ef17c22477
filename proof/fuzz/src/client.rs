use api::routes::suno::request::SubmitRequest;
use api::routes::task::parameters::ListRequest;
use api::routes::task::query::Query;
use shared::task::Platform;

/// A query string: pages stay within their bounds, and no text reaches a database that cannot hold it.
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

/// The body of a submit: what is taken is forwarded as JSON that is taken again, and means the same.
pub fn body(bytes: &[u8]) {
    for action in Platform::SUNO.actions().copied() {
        let Ok(mut request) = SubmitRequest::parse(action, bytes) else {
            continue;
        };
        assert!(!request.input.contains('\0'));
        let json = request.to_json().expect("what was read can be written");
        let again = SubmitRequest::parse(action, json.as_bytes()).expect("it is good still");
        assert_eq!(again.to_json().as_ref(), Ok(&json));
        assert_eq!(
            (&again.input, &again.task_id),
            (&request.input, &request.task_id)
        );
        request
            .set_upstream_id("upstream-7")
            .expect("a name is text");
        let renamed = request.to_json().expect("it can be written");
        let renamed = SubmitRequest::parse(action, renamed.as_bytes()).expect("it is good still");
        assert_eq!(renamed.task_id.as_deref(), Some("upstream-7"));
    }
}
