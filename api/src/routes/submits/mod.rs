//! What all submits have in common: a task is charged and stored here. A worker calls the upstream later.
//!
//! | file | what it holds |
//! |---|---|
//! | `fields` | the fields of a JSON object |
//! | [`request`] | the fields of a submit, checked |
//! | [`idempotency`] | `Idempotency-Key` |

pub(crate) mod fields;
pub mod idempotency;
pub mod request;

use std::time::Duration;

use shared::broker::Message;
use shared::public_address::NotPublic;
use shared::store::StoreError;
use shared::store::accounts::KeyHolder;
use shared::store::clips::{Continuation, Maker};
use shared::store::submissions::{Idempotency, NewTask, Submitted};
use shared::task::{Action, AtTurn, Platform, TaskId, Turn, UserId};
use tracing::Instrument as _;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::error::{ApiError, Result, Wanted};
use crate::http::observe;
use crate::openapi::{optional, refusals};
use crate::routes::IDEMPOTENCY_KEY;
use crate::state::App;
use fields::Fields;
use request::SubmitRequest;

/// The headers of a submit, for `/openapi.json`; `idempotency` reads them.
pub(super) struct SubmitHeaders;

impl IntoParams for SubmitHeaders {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let what = "Makes a retry safe: for 24 hours, a repeated key gets the first task and is not charged, \
                    if the body holds the same JSON. 1 to 255 printable characters.";
        let schema = idempotency::schema();
        vec![optional(
            ParameterIn::Header,
            IDEMPOTENCY_KEY.as_str(),
            what,
            schema,
        )]
    }
}

/// The most attempts of a submit that conflicts with other transactions.
const ATTEMPTS: u32 = 4;
/// The longest time since the first attempt after which a submit is retried. A lock that is not
/// granted in 10 s stays held for long, and the client is better served by a 503 than by a longer
/// wait.
const RETRY_TIME: Duration = Duration::from_secs(5);

/// The errors of a submit to these platforms: those of all submits, and `more`.
pub(super) fn refusals(
    platforms: impl IntoIterator<Item = Platform>,
    more: impl IntoIterator<Item = ApiError>,
) -> refusals::Responses {
    let of_platform = |platform| {
        let needs = upstream::inputs(platform).map_or(&[][..], |inputs| inputs.needs);
        let needs = needs.iter().flat_map(|(action, needs)| {
            let need = |one_of: &&'static [&'static str]| ApiError::Needs(*action, one_of);
            needs.iter().map(need)
        });
        [ApiError::InvalidAction(platform)].into_iter().chain(needs)
    };
    let of_platforms = platforms.into_iter().flat_map(of_platform);
    let errors = [
        ApiError::Field("prompt".into(), Wanted::TextWithoutNul),
        ApiError::Field("prompt".into(), Wanted::TextWithoutSurrogates),
        ApiError::NoWebhooks("notify_hook".to_owned()),
        ApiError::Address("url", NotPublic::NotHttps),
        ApiError::Address("url", NotPublic::Private),
        ApiError::TaskNotExist,
        ApiError::NothingToContinue,
        ApiError::ClipsApart,
        ApiError::TooManyClips,
        ApiError::IdempotencyKey,
        ApiError::QuotaNotEnough,
        ApiError::IdempotencyKeyReused,
        ApiError::TooManyTasks,
        ApiError::NoAvailableChannel,
    ];
    refusals::of_suno(
        of_platforms
            .chain(errors)
            .chain(more)
            .chain(refusals::of_body()),
    )
}

/// A request to make something.
pub(super) struct Wish {
    pub platform: Platform,
    pub action: Action,
    /// What the platform takes.
    pub fields: Fields,
    pub idempotency: Option<Idempotency>,
}

/// The action of a platform that a client names.
pub(super) fn action_of(platform: Platform, name: &str) -> Result<Action> {
    let action = platform.action(name);
    action.ok_or(ApiError::InvalidAction(platform))
}

/// Checks a request, charges and stores its task, and publishes the task's message. A request with an idempotency key
/// that was used is answered by the key, also if what the request names is not found any more.
pub(super) async fn submit(app: App, holder: KeyHolder, wish: Wish) -> Result<TaskId> {
    let Wish {
        platform, action, ..
    } = wish;
    let inputs = upstream::inputs(platform).ok_or(ApiError::Internal)?;
    let mut request = SubmitRequest::read(inputs, action, wish.fields)?;
    let KeyHolder { user, key } = holder;
    let maker = match named(&app, user.id, action, &request).await {
        Ok(maker) => maker,
        Err(error) => return by_used_key(&app, user.id, wish.idempotency, error).await,
    };
    if let Some(maker) = &maker {
        request.set_upstream_id(maker.upstream_id.as_deref())?;
    }
    let task = NewTask {
        task_id: TaskId::random(&app.random),
        user: user.id,
        key: key.id,
        platform,
        action,
        model: request.model.clone(),
        request: request.to_json()?,
        input: request.input,
        pinned: maker.map(|maker| maker.channel),
        idempotency: wish.idempotency,
        deadline: app.clock.now().after(app.queue_timeout),
    };
    // In a tokio task of its own: a client that disconnects cancels this handler, but the stored
    // task's message must be published.
    let span = tracing::error_span!("submit", task = %task.task_id, turn = Turn::FIRST.0);
    let stored = tokio::spawn(store(app, task).instrument(span.clone())).await;
    stored.unwrap_or_else(|error| {
        span.in_scope(|| tracing::error!(%error, "a submit panicked"));
        Err(ApiError::Internal)
    })
}

/// The answer to a request that names what is not found: that of its idempotency key, if the key was used, else the error.
async fn by_used_key(
    app: &App,
    user: UserId,
    idempotency: Option<Idempotency>,
    error: ApiError,
) -> Result<TaskId> {
    let Some(key) = idempotency else {
        return Err(error);
    };
    let now = app.clock.now();
    match app.store.submitted_before(user, &key, now).await? {
        Some(Submitted::Repeated(first)) => Ok(first),
        Some(_) => Err(ApiError::IdempotencyKeyReused),
        None => Err(error),
    }
}

/// Looks up what the request names: addresses, which must be public, and where tasks and clips were made.
async fn named(
    app: &App,
    user: UserId,
    action: Action,
    request: &SubmitRequest,
) -> Result<Option<Maker>> {
    for (field, address) in &request.addresses {
        let found = address.resolve().await;
        found.map_err(|why| ApiError::Address(field, why))?;
    }
    maker(app, user, action, request).await
}

/// Where the task and the clips that the request names were made. A task of the user counts before the clips. A task
/// that we do not know counts as none: a gateway in front of us sends its own name of a task beside the clip's id.
async fn maker(
    app: &App,
    user: UserId,
    action: Action,
    request: &SubmitRequest,
) -> Result<Option<Maker>> {
    let mut first: Option<Maker> = None;
    if let Some(name) = &request.task_id {
        let found = match name.trim().parse() {
            Ok(task) => app.store.continuation(user, &task).await?,
            Err(_) => Continuation::NoTask,
        };
        match found {
            // A gateway in front of us may name a clip that no result of ours holds. What is made of the clip alone
            // is made of one's own clips only.
            Continuation::Possible(maker) if action == Action::SONG => return Ok(Some(maker)),
            Continuation::Possible(maker) => first = Some(maker),
            Continuation::NeverAccepted => return Err(ApiError::NothingToContinue),
            Continuation::NoTask if request.clips.is_empty() => return Err(ApiError::TaskNotExist),
            Continuation::NoTask => {}
        }
    }
    for clip in &request.clips {
        let maker = app.store.maker_of_clip(user, clip).await?;
        let maker = maker.ok_or(ApiError::TaskNotExist)?;
        match &first {
            Some(first) if first.channel != maker.channel => return Err(ApiError::ClipsApart),
            Some(_) => {}
            None => first = Some(maker),
        }
    }
    Ok(first)
}

/// Charges and stores the task and publishes its message.
async fn store(app: App, task: NewTask) -> Result<TaskId> {
    let (platform, action, name) = (task.platform, task.action, task.task_id.clone());
    let submitted = submit_to_store(&app, task).await;
    let (outcome, answer) = match submitted {
        Ok(Submitted::Stored { row, price }) => {
            let turn = Turn::FIRST;
            app.publisher.publish(Message::Submit(AtTurn { row, turn }));
            metrics::counter!(observe::CHARGES, "action" => action.to_string()).increment(1);
            metrics::counter!(observe::CHARGED, "action" => action.to_string())
                .increment(price.get().unsigned_abs());
            tracing::debug!(row = row.0, %action, "stored a task");
            ("stored", Ok(name))
        }
        Ok(Submitted::Repeated(first)) => ("repeated", Ok(first)),
        Ok(Submitted::KeyReused) => ("key_reused", Err(ApiError::IdempotencyKeyReused)),
        Ok(Submitted::NoPrice) => {
            tracing::error!(
                "a task has no price and is not sold: `price set --platform {platform} --action {action} --quota Q` \
                 sets one"
            );
            ("no_price", Err(ApiError::NoAvailableChannel))
        }
        Ok(Submitted::NoChannel) => ("no_channel", Err(ApiError::NoAvailableChannel)),
        Ok(Submitted::QuotaNotEnough) => ("quota_not_enough", Err(ApiError::QuotaNotEnough)),
        Ok(Submitted::TooManyWaiting) => ("too_many_waiting", Err(ApiError::TooManyTasks)),
        Err(error) => ("failed", Err(error.into())),
    };
    metrics::counter!(observe::SUBMITS, "action" => action.to_string(), "outcome" => outcome)
        .increment(1);
    answer
}

/// Stores the task. Retries a conflict with another transaction, which changes nothing, after 10 to
/// 50 ms.
async fn submit_to_store(app: &App, task: NewTask) -> shared::store::Result<Submitted> {
    let started = app.clock.now();
    for _ in 1..ATTEMPTS {
        match app.store.submit(task.clone(), app.clock.now()).await {
            Err(StoreError::Contended(error)) if app.clock.now().since(started) < RETRY_TIME => {
                tracing::debug!(%error, "a submit conflicted with another transaction");
                let wait = Duration::from_millis(10 + app.random.below(40));
                tokio::time::sleep(wait).await;
            }
            ended => return ended,
        }
    }
    app.store.submit(task, app.clock.now()).await
}
