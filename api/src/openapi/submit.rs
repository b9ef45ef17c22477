//! The body of a submit, for `/openapi.json`.

use std::borrow::Cow;

use serde_json::json;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::schemas;
use crate::routes::submits::request::SubmitRequest;

impl PartialSchema for SubmitRequest {
    /// One object whose fields are all optional: generators make one class of it. That a song needs one of five
    /// fields stands in the description.
    fn schema() -> RefOr<Schema> {
        let text = |what| {
            let text = schemas::or_null(Type::String).pattern(Some("^[^\\u0000]*$"));
            text.description(Some(what))
        };
        let instrumental = schemas::or_null(Type::Boolean);
        let continue_at = schemas::or_null(Type::Number);
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(
                "A song needs `prompt`, `gpt_description_prompt`, `tags`, `title` or the id of a clip such as \
                 `continue_clip_id`; lyrics need a `prompt`. Null and blank texts count as absent. Other fields \
                 are forwarded unchanged.",
            ))
            .property("prompt", text("The song's lyrics, or the topic of lyrics."))
            .property(
                "gpt_description_prompt",
                text("What the song is about; the upstream writes its lyrics."),
            )
            .property("title", text("The song's title."))
            .property("tags", text("The song's style."))
            .property("mv", text("The upstream's model; `chirp-v3-0` by default."))
            .property(
                "make_instrumental",
                instrumental.description(Some("Whether the song has no voice.")),
            )
            .property(
                "continue_clip_id",
                text("The clip to continue, of a song of one's own."),
            )
            .property(
                "continue_at",
                continue_at.description(Some("Where to continue the clip, in seconds.")),
            )
            .property("task_id", text("The task that made the clip."))
            .examples([
                json!({ "gpt_description_prompt": "a slow blues about rain" }),
                json!({ "prompt": "Rain on tin, rain on tin", "tags": "slow blues", "title": "Rain on Tin" }),
                json!({ "prompt": "", "tags": "heavy metal", "title": "Beijing", "make_instrumental": true }),
            ])
            .into()
    }
}

impl ToSchema for SubmitRequest {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Submit")
    }
}
