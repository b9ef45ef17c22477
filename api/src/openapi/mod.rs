//! The description that `GET /openapi.json` serves: `OpenAPI` 3.1.
//!
//! Each endpoint's description stands at its handler, and `utoipa-axum` makes the route from it, so
//! that no endpoint lacks one. This module holds what all endpoints share.
//!
//! | file | what it holds |
//! |---|---|
//! | [`refusals`] | errors, as responses |
//! | [`results`] | results of an upstream |
//! | `submit` | the body of a submit |
//! | [`schemas`] | other schemas of values that no Rust type describes |

pub mod refusals;
pub mod results;
pub mod schemas;
mod submit;

use utoipa::ToSchema as _;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::ArrayItems;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr, Required, Schema,
    Server,
};

use crate::http::auth::NEW_API_USER;
use crate::http::request_id::X_REQUEST_ID;
use crate::routes::suno::response::FetchedTask;

/// The tag of `/api/*`.
pub(crate) const LISTINGS: &str = "listings";
/// The tag of `/suno/*`.
pub(crate) const MUSIC: &str = "music";
/// The tag of the endpoints for operators.
pub(crate) const OPERATORS: &str = "operators";

/// The tag of the endpoints for vendors.
pub(crate) const VENDORS: &str = "vendors";

/// The document without its endpoints.
pub(crate) fn frame() -> OpenApi {
    let info = InfoBuilder::new()
        .title("task center")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Makes songs and lyrics through an upstream. Each task is charged once, and refunded once if \
             it fails. Errors are Chinese by default, and English if `Accept-Language` prefers it.",
        ));
    let listings = "Lists tasks, for web clients. Needs an access token.";
    let music =
        "Submits and fetches tasks in the upstream's format, for programs. Needs an API key.";
    let operators = "Health, figures and this description. Needs no credential.";
    let vendors = "Calls of vendors whose tasks changed. The address itself is the credential.";
    let tags = [
        (LISTINGS, listings),
        (MUSIC, music),
        (VENDORS, vendors),
        (OPERATORS, operators),
    ];
    let tags =
        tags.map(|(name, what)| TagBuilder::new().name(name).description(Some(what)).build());
    let mut frame = OpenApiBuilder::new()
        .info(info.build())
        // Where the document was found: right for every deployment.
        .servers(Some([Server::new("/")]))
        .tags(Some(tags))
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
            "The id of the access token's user. It may be left out, as the token names its user.",
        ))),
    );
    components.add_security_scheme(
        "apiKey",
        bearer("An API key, `sk-…`. The word `Bearer` may be left out."),
    );
    refusals::add_shapes(components);
    schemas::add_shapes(components);
    frame
}

/// Adds the headers that every request may have and every response has.
pub(crate) fn finish(document: &mut OpenApi) {
    if let Some(components) = &mut document.components {
        let task = FetchedTask::name();
        refer_to(&task, components);
    }
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            let parameters = operation.parameters.get_or_insert_default();
            parameters.extend(headers().map(RefOr::T));
            for response in operation.responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    let what = "The request's id. Every log line of the request has it.";
                    let header = HeaderBuilder::new().schema(Some(schemas::text()));
                    let header = header.description(Some(what));
                    let name = X_REQUEST_ID.as_str().to_owned();
                    response.headers.insert(name, RefOr::T(header.build()));
                }
            }
        }
    }
}

/// Replaces copies of the schema `name`, in `data` of the others, by references. `utoipa` copies what a generic
/// type holds, and generators make another class of each copy.
fn refer_to(name: &str, components: &mut Components) {
    let Some(copied) = components.schemas.get(name).cloned() else {
        return;
    };
    let reference = || RefOr::Ref(Ref::from_schema_name(name));
    for schema in components.schemas.values_mut() {
        let RefOr::T(Schema::Object(object)) = schema else {
            continue;
        };
        match object.properties.get_mut("data") {
            Some(data) if *data == copied => *data = reference(),
            Some(RefOr::T(Schema::Array(array))) => match &mut array.items {
                ArrayItems::RefOrSchema(items) if **items == copied => **items = reference(),
                _ => {}
            },
            _ => {}
        }
    }
}

/// Describes the endpoints of `path` at `alias` too.
pub(crate) fn also_at(document: &mut OpenApi, path: &str, alias: &str) {
    let Some(mut item) = document.paths.paths.get(path).cloned() else {
        return;
    };
    for operation in operations(&mut item) {
        let id = operation.operation_id.as_ref();
        operation.operation_id = id.map(|id| format!("{id}_alias"));
        operation.summary = Some(format!("The same as {path}"));
    }
    document.paths.paths.insert(alias.to_owned(), item);
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post].into_iter().flatten()
}

/// The headers that every request may have.
fn headers() -> [Parameter; 2] {
    let request_id = "The request's id. An id of 1 to 128 letters, digits, dots, underscores and hyphens \
                      is kept; any other is replaced.";
    let language = "The language of messages: English if it is preferred, else Chinese.";
    [
        (X_REQUEST_ID.as_str(), request_id),
        ("accept-language", language),
    ]
    .map(|(name, what)| optional(ParameterIn::Header, name, what, schemas::text()))
}

/// A parameter that may be left out.
pub(crate) fn optional(
    place: ParameterIn,
    name: &str,
    what: &str,
    schema: impl Into<RefOr<Schema>>,
) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .description(Some(what))
        .schema(Some(schema))
        .build()
}
