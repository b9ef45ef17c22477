//! Authentication (`docs/contract.md`, "Callers and credentials").
//!
//! Tokens and keys are looked up by the index on their digest, so that the time a lookup takes does
//! not tell how much of a guess is right.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use shared::process::http::client::Peer;
use shared::secret::Secret;
use shared::store::accounts::{KeyHolder, Role, User};
use shared::task::UserId;

use crate::error::{ApiError, Result, UserHeader};
use crate::http::observe::Caller;
use crate::http::throttle::Credential;
use crate::state::App;

/// The header with the id of the access token's user.
pub const NEW_API_USER: HeaderName = HeaderName::from_static("new-api-user");

/// Extracts the enabled user of the access token, for `/api/*`.
#[derive(Debug)]
pub struct TokenUser(pub User);

/// Extracts the administrator of the access token, enabled, for `/api/task/`.
#[derive(Debug)]
pub struct Admin(pub User);

/// Extracts the enabled user of an enabled API key that has not expired, for `/suno/*`.
#[derive(Debug)]
pub struct KeyUser(pub KeyHolder);

impl FromRequestParts<App> for TokenUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let user = token_user(&parts.headers, app).await;
        let user = user.map_err(|error| failed_sign_in(parts, app, error))?;
        admit(parts, app, Credential::Token(user.id), None)?;
        if !user.enabled {
            return Err(ApiError::UserDisabled);
        }
        is_known(parts);
        Ok(Self(user))
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let TokenUser(user) = TokenUser::from_request_parts(parts, app).await?;
        match user.role {
            Role::Admin => Ok(Self(user)),
            Role::User => Err(ApiError::NotAdmin),
        }
    }
}

impl FromRequestParts<App> for KeyUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let holder = key_user(&parts.headers, app).await;
        let holder = holder.map_err(|error| failed_sign_in(parts, app, error))?;
        admit(parts, app, Credential::Key(holder.key.id), holder.key.rate)?;
        if !holder.user.enabled {
            return Err(ApiError::UserDisabled);
        }
        if !holder.key.enabled {
            return Err(ApiError::KeyDisabled);
        }
        if holder.key.is_expired(app.clock.now()) {
            return Err(ApiError::KeyExpired);
        }
        is_known(parts);
        Ok(Self(holder))
    }
}

/// The user of the access token, enabled or not.
async fn token_user(headers: &HeaderMap, app: &App) -> Result<User> {
    let token = credential(headers).ok_or(ApiError::TokenMissing)?;
    let Some(user) = app.store.user_by_token(token.digest()).await? else {
        return Err(match key_holder(app, &token).await? {
            Some(_) => ApiError::KeyInsteadOfToken,
            None => ApiError::TokenUnknown,
        });
    };
    tracing::Span::current().record("user", user.id.0);
    match user_header(headers) {
        Some(Err(header)) => Err(ApiError::UserHeader(header)),
        Some(Ok(given)) if given != user.id => Err(ApiError::UserHeader(UserHeader::NotTheirs)),
        _ => Ok(user),
    }
}

/// Who holds the API key, both enabled or not.
async fn key_user(headers: &HeaderMap, app: &App) -> Result<KeyHolder> {
    let key = credential(headers).ok_or(ApiError::TokenMissing)?;
    let Some(holder) = key_holder(app, &key).await? else {
        return Err(match app.store.user_by_token(key.digest()).await? {
            Some(_) => ApiError::TokenInsteadOfKey,
            None => ApiError::TokenUnknown,
        });
    };
    let span = tracing::Span::current();
    span.record("user", holder.user.id.0);
    span.record("key", holder.key.id.0);
    Ok(holder)
}

/// Counts a request whose credential is somebody's, enabled or not; an error if that is too much. The request is
/// under way until its answer is sent.
fn admit(parts: &Parts, app: &App, credential: Credential, rate: Option<u32>) -> Result<()> {
    let place = app.throttle.admit(credential, rate, &app.clock)?;
    if let Some(caller) = parts.extensions.get::<Caller>() {
        caller.holds(place);
    }
    Ok(())
}

/// Counts a credential that is not good; returns the error to answer. A request without a credential is no attempt,
/// and that the database is away is nobody's failure.
fn failed_sign_in(parts: &Parts, app: &App, error: ApiError) -> ApiError {
    if error.status() != StatusCode::UNAUTHORIZED || error == ApiError::TokenMissing {
        return error;
    }
    let peer = parts.extensions.get::<Peer>().copied();
    app.throttle
        .failed_sign_in(peer, &parts.headers, error, &app.clock)
}

/// Notes that the credential is good.
fn is_known(parts: &Parts) {
    if let Some(caller) = parts.extensions.get::<Caller>() {
        caller.is_known();
    }
}

/// Who holds the API key, which may come without its `sk-`, as clients of new-api send it.
async fn key_holder(app: &App, key: &Secret) -> Result<Option<KeyHolder>> {
    let holder = app.store.key_holder(key.digest()).await?;
    if holder.is_some() || key.expose().starts_with("sk-") {
        return Ok(holder);
    }
    let whole = Secret::new(format!("sk-{}", key.expose()));
    Ok(app.store.key_holder(whole.digest()).await?)
}

/// The value of `Authorization`, without the word `Bearer` and without white space around it.
fn credential(headers: &HeaderMap) -> Option<Secret> {
    let value = once(headers, &header::AUTHORIZATION)?;
    let value = value.ok()?.to_str().ok()?.trim();
    let secret = match value.split_once(char::is_whitespace) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim_start(),
        None if value.eq_ignore_ascii_case("bearer") => "",
        _ => value,
    };
    (!secret.is_empty()).then(|| Secret::new(secret))
}

/// The user that `New-Api-User` names; `None` without that header.
fn user_header(headers: &HeaderMap) -> Option<std::result::Result<UserId, UserHeader>> {
    let value = once(headers, &NEW_API_USER)?;
    let number = value
        .ok()
        .and_then(|value| decimal(value.to_str().ok()?.trim()));
    Some(number.map(UserId).ok_or(UserHeader::NotANumber))
}

/// A decimal number without a sign and without a leading zero.
fn decimal(text: &str) -> Option<i64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    is_plain.then(|| text.parse().ok()).flatten()
}

/// The value of a header; an error if it comes more than once, because a proxy may have read another one
/// of them. `None` without that header.
fn once<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Option<std::result::Result<&'a HeaderValue, Repeated>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    Some(values.next().map_or(Ok(first), |_| Err(Repeated)))
}

/// A header comes more than once.
struct Repeated;

#[cfg(test)]
mod tests {
    use super::*;

    fn credential_in(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(value).expect("it is a header");
        headers.insert(header::AUTHORIZATION, value);
        credential(&headers).map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn the_word_bearer_is_optional_in_any_case_and_white_space_is_ignored() {
        for value in [
            "sk-abc",
            "  sk-abc  ",
            "Bearer sk-abc",
            "bearer sk-abc",
            "BEARER \t sk-abc ",
        ] {
            assert_eq!(credential_in(value).as_deref(), Some("sk-abc"), "{value}");
        }
    }

    #[test]
    fn a_bearer_of_nothing_is_no_credential() {
        for value in ["", " ", "Bearer", "bearer  "] {
            assert_eq!(credential_in(value), None, "{value}");
        }
    }

    #[test]
    fn a_users_number_is_decimal_without_sign_and_leading_zero() {
        assert_eq!(decimal("17"), Some(17));
        for text in [
            "",
            "0",
            "017",
            "+17",
            "-17",
            "1 7",
            "1.0",
            "0x11",
            "99999999999999999999",
        ] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn two_credentials_are_none() {
        let mut headers = HeaderMap::new();
        for value in ["sk-a", "sk-b"] {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        assert!(credential(&headers).is_none());
    }

    #[test]
    fn another_scheme_is_no_bearer() {
        assert_eq!(credential_in("Basic abc").as_deref(), Some("Basic abc"));
    }
}
