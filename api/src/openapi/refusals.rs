//! Errors, as responses: each endpoint lists what it may refuse, and status, code and words come
//! from the errors themselves.

use std::collections::BTreeMap;

use utoipa::PartialSchema as _;
use utoipa::openapi::{Components, ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use crate::error::{ApiError, UserHeader};
use crate::http::error_format::{ApiShape, SunoShape, Surface};
use crate::http::i18n::Language;

/// The schema's name for errors of `/api/*`.
const API: &str = "ApiError";
/// The schema's name for errors of `/suno/*`.
const SUNO: &str = "SunoError";

/// By status.
pub(crate) type Responses = BTreeMap<String, RefOr<Response>>;

/// What an endpoint of `/api/*` may refuse: `errors`, and what all of them may.
pub(crate) fn of_api(errors: impl IntoIterator<Item = ApiError>) -> Responses {
    let all = [
        ApiError::TokenMissing,
        ApiError::TokenUnknown,
        ApiError::UserHeader(UserHeader::NotANumber),
        ApiError::UserHeader(UserHeader::NotTheirs),
        ApiError::UserDisabled,
        ApiError::Busy,
        ApiError::Internal,
    ];
    responses(Surface::Api, all.into_iter().chain(errors))
}

/// What an endpoint of `/suno/*` may refuse: `errors`, and what all of them may.
pub(crate) fn of_suno(errors: impl IntoIterator<Item = ApiError>) -> Responses {
    let all = [
        ApiError::TokenMissing,
        ApiError::TokenUnknown,
        ApiError::UserDisabled,
        ApiError::KeyDisabled,
        ApiError::Busy,
        ApiError::Internal,
    ];
    responses(Surface::Suno, all.into_iter().chain(errors))
}

fn responses(surface: Surface, errors: impl Iterator<Item = ApiError>) -> Responses {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for error in errors {
        let words = surface.text(&error).into(Language::English);
        let line = match surface {
            Surface::Api => format!("- {words}"),
            Surface::Suno => format!("- `{}`: {words}", error.code()),
        };
        let status = error.status().as_str().to_owned();
        lines.entry(status).or_default().push(line);
    }
    let shape = match surface {
        Surface::Api => API,
        Surface::Suno => SUNO,
    };
    let response = |lines: Vec<String>| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(shape)));
        ResponseBuilder::new()
            .description(lines.join("\n"))
            .content("application/json", content.build())
            .build()
    };
    let told = lines.into_iter();
    told.map(|(status, lines)| (status, RefOr::T(response(lines))))
        .collect()
}

/// The two shapes.
pub(super) fn add_shapes(components: &mut Components) {
    components
        .schemas
        .insert(API.to_owned(), ApiShape::schema());
    components
        .schemas
        .insert(SUNO.to_owned(), SunoShape::schema());
}
