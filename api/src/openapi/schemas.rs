//! Schemas of values that no Rust type describes: texts of a fixed form, and results of an
//! upstream.

use crate::routes::task::item::dialect_action;
use shared::task::{Action, Status};
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, SchemaType, Type};
use utoipa::openapi::{KnownFormat, Object, ObjectBuilder, RefOr, Schema, SchemaFormat};

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
    of_form("^([0-9]{1,2}|100)%$").into()
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

/// Unix seconds by the server's clock; 0 is "not yet".
pub(crate) fn time() -> Schema {
    count()
}

/// An amount of quota, or an id.
pub(crate) fn count() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(0))
        .into()
}

/// A whole number of any size in a query string. A number beyond 64 bits counts as the nearest
/// within. An empty parameter is absent.
pub(crate) fn optional_number() -> Schema {
    AnyOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::Integer))
        .item(empty_text())
        .into()
}

/// A text without NUL characters. In a query string, an empty parameter is absent.
pub(crate) fn text_without_nul() -> Schema {
    of_form("^[^\\u0000]*$").into()
}

/// A status in a query string. An empty parameter is absent.
pub(crate) fn optional_status() -> Schema {
    one_of(Status::ALL.map(Status::as_str).into_iter().chain([""]))
}

/// An upstream's result, unchanged: an array of clips or a lyrics object; `{}` if there is none.
pub(crate) fn result() -> Schema {
    passed_through([Type::Array, Type::Object])
}

/// The same in the upstream's format, which has `null` if there is none.
pub(crate) fn result_or_null() -> Schema {
    passed_through([Type::Array, Type::Object, Type::Null])
}

fn passed_through(types: impl IntoIterator<Item = Type>) -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter(types))
        .into()
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
