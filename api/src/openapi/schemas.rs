//! Schemas of values that no Rust type describes: texts of a fixed form, and parameters.

use crate::routes::task::item::dialect_action;
use shared::task::{Action, Status};
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, SchemaType, Type};
use utoipa::openapi::{
    Components, KnownFormat, Object, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat,
};

use crate::routes::task::query::{ABSENT, MILLISECONDS};

/// Any text.
pub(crate) fn text() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).into()
}

/// One of these texts.
pub(crate) fn one_of<T: Into<serde_json::Value>>(words: impl IntoIterator<Item = T>) -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
        .into()
}

fn of_form(pattern: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .build()
}

/// The code of a success of `/suno/*`.
pub(crate) fn success() -> Schema {
    one_of(["success"])
}

/// The message of a success.
pub(crate) fn empty_text() -> Schema {
    one_of([""])
}

/// A task's id.
pub(crate) fn task_id() -> Schema {
    of_form("^task_[A-Za-z0-9]{32}$").into()
}

/// `0%` to `100%`.
pub(crate) fn progress() -> Schema {
    let mut progress = of_form("^([0-9]{1,2}|100)%$");
    let what = "Never decreases, and is `100%` exactly if the task has ended.";
    progress.description = Some(what.to_owned());
    progress.into()
}

/// A status.
pub(crate) fn status() -> Schema {
    one_of(Status::ALL.map(Status::as_str))
}

/// An action in the listings, as either value of `LISTING_ACTIONS` names it.
pub(crate) fn action() -> Schema {
    let known = Action::known();
    let names = known.iter().map(|action| action.as_str().to_owned());
    let of_dialect = known.iter().map(|action| dialect_action(**action));
    one_of(names.chain(of_dialect))
}

/// A time.
pub(crate) fn time() -> Schema {
    let what = "Unix seconds by the server's clock; 0 is \"not yet\".";
    natural().description(Some(what)).into()
}

/// An amount of quota, or an id.
pub(crate) fn count() -> Schema {
    natural().into()
}

fn natural() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(0))
}

/// The name of the schema of [`ABSENT`].
const ABSENT_NAME: &str = "Absent";

/// A whole number of any size in a query string, or no value. A number beyond 64 bits counts as the nearest
/// within.
pub(crate) fn optional_number() -> Schema {
    or_absent(ObjectBuilder::new().schema_type(Type::Integer))
}

/// A time in Unix seconds in a query string, or no value.
pub(crate) fn optional_seconds() -> Schema {
    let seconds = ObjectBuilder::new().schema_type(Type::Integer);
    or_absent(seconds.maximum(Some(MILLISECONDS - 1)))
}

fn or_absent(value: ObjectBuilder) -> Schema {
    AnyOfBuilder::new()
        .item(value)
        .item(Ref::from_schema_name(ABSENT_NAME))
        .into()
}

/// A text without NUL characters. In a query string, the words of [`ABSENT`] are no value.
pub(crate) fn text_without_nul() -> Schema {
    of_form("^[^\\u0000]*$").into()
}

/// A status in a query string, or no value.
pub(crate) fn optional_status() -> Schema {
    one_of(Status::ALL.map(Status::as_str).into_iter().chain(ABSENT))
}

/// Adds the schemas that others refer to.
pub(super) fn add_shapes(components: &mut Components) {
    let absent = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(ABSENT))
        .description(Some(
            "No value, as browsers print it: as if the parameter were absent.",
        ));
    let absent = RefOr::T(absent.into());
    components.schemas.insert(ABSENT_NAME.to_owned(), absent);
}

/// An array of at most `most` texts.
pub(crate) fn texts(most: usize) -> Schema {
    ArrayBuilder::new()
        .items(RefOr::T(text()))
        .max_items(Some(most))
        .into()
}

/// A value of this type, or null, which counts as absent.
pub(crate) fn or_null(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]))
}
