//! The description of the HTTP side, as `GET /openapi.json` gives it: `OpenAPI` 3.1.
//!
//! Each endpoint is described where it is written, and its route is made from that description
//! (`utoipa-axum`): neither is there without the other. Here is what all of them share.
//!
//! | file | what it holds |
//! |---|---|
//! | [`refusals`] | errors, as responses |
//! | [`schemas`] | values that no type of Rust describes |

pub mod refusals;
pub mod schemas;

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, PathItem, RefOr, Required, Schema};

use crate::http::auth::NEW_API_USER;
use crate::http::request_id::X_REQUEST_ID;

/// The tag of `/api/*`.
pub(crate) const LISTINGS: &str = "listings";
/// The tag of `/suno/*`.
pub(crate) const MUSIC: &str = "music";
/// The tag of what operators ask.
pub(crate) const OPERATORS: &str = "operators";

/// What stands around the endpoints; they are merged into it.
pub(crate) fn frame() -> OpenApi {
    let info = InfoBuilder::new()
        .title("task center")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Songs and lyrics by an upstream, charged once, and given back once exactly when they \
             fail. Errors are Chinese by default, and English when `Accept-Language` prefers it.",
        ));
    let tag = |name, what| TagBuilder::new().name(name).description(Some(what)).build();
    let mut frame = OpenApiBuilder::new()
        .info(info.build())
        .tags(Some([
            tag(
                LISTINGS,
                "Tasks, for web clients: an access token and its user's number.",
            ),
            tag(
                MUSIC,
                "Making music, for programs: an API key, and the upstream's dialect.",
            ),
            tag(
                OPERATORS,
                "Health and figures, and this description; for everybody.",
            ),
        ]))
        .build();
    let components = frame.components.get_or_insert_default();
    let bearer = |what| {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        SecurityScheme::Http(scheme.description(Some(what)).build())
    };
    components.add_security_scheme(
        "accessToken",
        bearer("A user's access token. The word `Bearer` may be left out."),
    );
    components.add_security_scheme(
        "userNumber",
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
            NEW_API_USER.as_str(),
            "The number of the access token's user.",
        ))),
    );
    components.add_security_scheme(
        "apiKey",
        bearer("An API key, `sk-…`. The word `Bearer` may be left out."),
    );
    refusals::add_shapes(components);
    frame
}

/// Adds what every request may carry and every answer carries.
pub(crate) fn finish(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            let parameters = operation.parameters.get_or_insert_default();
            parameters.extend([request_id(), language()].map(RefOr::T));
            for response in operation.responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    let header = HeaderBuilder::new()
                        .schema(Some(schemas::text()))
                        .description(Some("The request's id, as every line of our log has it."));
                    let name = X_REQUEST_ID.as_str().to_owned();
                    response.headers.insert(name, RefOr::T(header.build()));
                }
            }
        }
    }
}

/// Describes what stands at `path` at `alias` too.
pub(crate) fn also_at(document: &mut OpenApi, path: &str, alias: &str) {
    let Some(mut item) = document.paths.paths.get(path).cloned() else {
        return;
    };
    for operation in operations(&mut item) {
        operation.operation_id = operation
            .operation_id
            .as_ref()
            .map(|id| format!("{id}_alias"));
        operation.summary = Some(format!("The same as {path}"));
    }
    document.paths.paths.insert(alias.to_owned(), item);
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post].into_iter().flatten()
}

fn request_id() -> Parameter {
    in_header(
        X_REQUEST_ID.as_str(),
        "The request's id: taken over if it is 1 to 128 letters, digits, dots, underscores and \
         hyphens; else a new one is made.",
        schemas::text(),
    )
}

fn language() -> Parameter {
    in_header(
        "accept-language",
        "The language of messages: Chinese, or English where it is preferred.",
        schemas::text(),
    )
}

fn in_header(name: &str, what: &str, schema: Schema) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(what))
        .schema(Some(schema))
        .build()
}
