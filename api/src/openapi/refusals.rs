//! Errors as responses. Each endpoint lists its errors; status, code and text come from the errors
//! themselves.

use std::collections::BTreeMap;

use axum::http::header;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::{Components, ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{PartialSchema as _, ToSchema as _};

use crate::error::{ApiError, ErrorCode, UserHeader};
use crate::http::error_format::{ApiShape, SunoShape, Surface};
use crate::http::i18n::Language;
use crate::openapi::schemas;

/// The name of the schema of `/api/*` errors.
const API: &str = "ApiError";
/// The name of the schema of `/suno/*` errors.
const SUNO: &str = "SunoError";

/// Responses by status.
pub(crate) type Responses = BTreeMap<String, RefOr<Response>>;

/// The error responses of an endpoint of `/api/*`: `errors` and those of every such endpoint.
pub(crate) fn of_api(errors: impl IntoIterator<Item = ApiError>) -> Responses {
    let all = [
        ApiError::TokenMissing,
        ApiError::TokenUnknown,
        ApiError::UserHeader(UserHeader::NotANumber),
        ApiError::UserHeader(UserHeader::NotTheirs),
        ApiError::UserDisabled,
        ApiError::TooManyAnswers,
        ApiError::TooManyRequests(1),
        ApiError::TooManyAtOnce,
        ApiError::TooManyFailures(1),
        ApiError::Busy,
        ApiError::Internal,
    ];
    responses(Surface::Api, all.into_iter().chain(errors))
}

/// The error responses of an endpoint of `/suno/*`: `errors` and those of every such endpoint.
pub(crate) fn of_suno(errors: impl IntoIterator<Item = ApiError>) -> Responses {
    let all = [
        ApiError::TokenMissing,
        ApiError::TokenUnknown,
        ApiError::UserDisabled,
        ApiError::KeyDisabled,
        ApiError::KeyExpired,
        ApiError::TooManyRequests(1),
        ApiError::TooManyAtOnce,
        ApiError::TooManyFailures(1),
        ApiError::Busy,
        ApiError::Internal,
    ];
    responses(Surface::Suno, all.into_iter().chain(errors))
}

/// The errors of every endpoint that reads a JSON body.
pub(crate) fn of_body() -> [ApiError; 7] {
    [
        ApiError::TooDeep,
        ApiError::NotAnObject,
        ApiError::BrokenJson { line: 1, column: 1 },
        ApiError::BadRequest,
        ApiError::TooSlow,
        ApiError::TooLarge,
        ApiError::MediaType,
    ]
}

fn responses(surface: Surface, errors: impl Iterator<Item = ApiError>) -> Responses {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for error in errors {
        let text = surface.text(&error).into(Language::English);
        let line = match surface {
            Surface::Api => format!("- {text}"),
            Surface::Suno => format!("- `{}`: {text}", error.code()),
        };
        let status = error.status().as_str().to_owned();
        lines.entry(status).or_default().push(line);
    }
    let shape = match surface {
        Surface::Api => API,
        Surface::Suno => SUNO,
    };
    let response = |status: &str, lines: Vec<String>| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(shape)));
        let response = ResponseBuilder::new()
            .description(lines.join("\n"))
            .content("application/json", content.build());
        match status {
            "429" | "503" => response.header(header::RETRY_AFTER.as_str(), retry_after()),
            _ => response,
        }
        .build()
    };
    lines
        .into_iter()
        .map(|(status, lines)| {
            let response = response(&status, lines);
            (status, RefOr::T(response))
        })
        .collect()
}

fn retry_after() -> Header {
    let what = "After how many seconds another try is worth it.";
    let header = HeaderBuilder::new().schema(Some(schemas::count()));
    header.description(Some(what)).build()
}

/// Adds the schemas of both error formats and of the codes.
pub(super) fn add_shapes(components: &mut Components) {
    let schemas = &mut components.schemas;
    schemas.insert(API.to_owned(), ApiShape::schema());
    schemas.insert(SUNO.to_owned(), SunoShape::schema());
    let code = ErrorCode::name().into_owned();
    schemas.insert(code, ErrorCode::schema());
}
