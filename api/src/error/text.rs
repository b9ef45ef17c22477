//! The text of each error: what is wrong, and what to do.

use std::borrow::Cow;

use shared::json::MOST_DEPTH;
use shared::process::http::server::HEAD_BYTES;
use shared::public_address::NotPublic;
use shared::task::{Action, Platform, Status};

use super::{ApiError, UserHeader, Wanted};
use crate::http::i18n::Text;
use crate::limits::{BODY_BYTES, BODY_TIME, CLIPS, FETCH_IDS};

impl ApiError {
    /// The text for the client, in both languages.
    #[allow(clippy::too_many_lines, reason = "one text for each error")]
    pub fn text(&self) -> Text {
        match self {
            Self::TokenMissing => plain(
                "缺少认证信息，请在请求头 Authorization 中提供 Bearer 令牌或密钥",
                "no credential: send `Authorization: Bearer <access token or API key>`",
            ),
            Self::UserHeader(UserHeader::NotANumber) => plain(
                "请求头 New-Api-User 应为令牌所属用户的 ID（十进制数字，不带符号和前导零），只能出现一次，也可不发送",
                "the header New-Api-User must be the number of the token's user in decimal, without a sign or a \
                 leading zero, once, or absent",
            ),
            Self::UserHeader(UserHeader::NotTheirs) => plain(
                "请求头 New-Api-User 与令牌所属用户不符",
                "the header New-Api-User is not the number of the token's user",
            ),
            Self::Host => plain(
                "请求头 Host 应出现一次，且为合法的主机名",
                "the header Host must name one host, once",
            ),
            Self::HeadTooLarge => {
                let most = HEAD_BYTES / 1024;
                built(
                    format!("请求头过大，最多 {most} KiB"),
                    format!("the head of the request is too large; the most is {most} KiB"),
                )
            }
            Self::TokenUnknown => plain(
                "令牌或密钥无效，请检查请求头 Authorization",
                "the credential in the header Authorization is not valid",
            ),
            Self::KeyInsteadOfToken => plain(
                "这是 API 密钥；该接口需要访问令牌（access token）",
                "this is an API key; this path takes an access token",
            ),
            Self::TokenInsteadOfKey => plain(
                "这是访问令牌（access token）；该接口需要 API 密钥（sk-…）",
                "this is an access token; this path takes an API key (sk-…)",
            ),
            Self::UserDisabled => plain(
                "该用户已被禁用，请联系管理员",
                "this user is disabled; ask an administrator",
            ),
            Self::KeyDisabled => plain(
                "该 API 密钥已被禁用，请换用其他密钥或联系管理员",
                "this API key is disabled; use another one or ask an administrator",
            ),
            Self::KeyExpired => plain(
                "该 API 密钥已过期，请换用其他密钥或联系管理员",
                "this API key has expired; use another one or ask an administrator",
            ),
            Self::NotAdmin => plain(
                "无权访问：该接口仅限管理员，查询自己的任务请使用 /api/task/self",
                "only administrators may see this; your own tasks are at /api/task/self",
            ),
            Self::NoSuchPath => plain(
                "接口不存在，请检查请求路径",
                "nothing is served at this path; check the address",
            ),
            Self::MethodNotAllowed => plain(
                "该接口不支持此请求方法，支持的方法见响应头 Allow",
                "this path does not take this method; the Allow header lists those it takes",
            ),
            Self::QueryEncoding => plain(
                "查询参数的百分号编码有误，解码后应为 UTF-8 文本",
                "the query string must be percent-encoded UTF-8 text",
            ),
            Self::Parameter(name, wanted) => wanted.of("参数", "parameter", name),
            Self::Field(name, wanted) => wanted.of("字段", "field", name),
            Self::Charset => plain(
                "请求体的字符集应为 UTF-8，请修改请求头 Content-Type 中的 charset",
                "the body must be UTF-8: change the charset in the header Content-Type",
            ),
            Self::ContentEncoding => plain(
                "请求头 Content-Encoding 仅支持 identity 和 gzip",
                "the header Content-Encoding may be identity or gzip",
            ),
            Self::BrokenGzip => plain(
                "请求体不是完整的 gzip 数据，与请求头 Content-Encoding 不符",
                "the body is not whole gzip data, which the header Content-Encoding says it is",
            ),
            Self::MediaType => plain(
                "请求体的类型应为 JSON，请设置请求头 Content-Type: application/json",
                "the body must be JSON: send `Content-Type: application/json`",
            ),
            Self::TooLarge => {
                let most = BODY_BYTES / 1024;
                built(
                    format!("请求体过大，最多 {most} KiB"),
                    format!("the body is too large; the most is {most} KiB"),
                )
            }
            Self::TooSlow => {
                let most = BODY_TIME.as_secs();
                built(
                    format!("请求体未能在 {most} 秒内发送完毕"),
                    format!("the body did not arrive within {most} seconds"),
                )
            }
            Self::BrokenJson { line, column } => built(
                format!("请求体不是合法的 JSON（第 {line} 行，第 {column} 列）"),
                format!("the body is not valid JSON (line {line}, column {column})"),
            ),
            Self::NotAnObject => plain(
                "请求体应为 JSON 对象，即 {…}",
                "the body must be a JSON object, {…}",
            ),
            Self::BadRequest => plain("请求无法解析", "the request cannot be read"),
            Self::TooManyIds(count) => built(
                format!("字段 ids 最多包含 {FETCH_IDS} 个任务 ID，当前为 {count} 个"),
                format!("field `ids` holds {count} ids; the most is {FETCH_IDS}"),
            ),
            Self::Needs(action, [field]) => built(
                format!("{action} 需要非空的 {field}"),
                format!("`{action}` needs a `{field}` that is not empty"),
            ),
            Self::Needs(action, fields) => built(
                format!("{action} 需要以下字段中的至少一个：{}", fields.join("、")),
                format!("`{action}` needs at least one of `{}`", fields.join("`, `")),
            ),
            Self::Address(name, why) => {
                let chinese = match why {
                    NotPublic::NoAddress => {
                        "应为完整的网址，如 https://example.com/a.mp3，最长 2048 字节"
                    }
                    NotPublic::NotHttps => "应以 https:// 开头",
                    NotPublic::Credentials => "不能包含用户名或密码",
                    NotPublic::Port => "的端口应为 443 或大于 1023",
                    NotPublic::Private => "的主机应为公网地址",
                    NotPublic::NotFound => "的主机无法解析",
                };
                built(
                    format!("字段 {name} {chinese}"),
                    format!("field `{name}` is no address that may be opened: {why}"),
                )
            }
            Self::NoWebhooks(name) => built(
                format!("暂不支持回调通知，请去掉字段 {name} 并用 /suno/fetch 查询任务"),
                format!("there are no webhooks here yet: leave out `{name}` and ask /suno/fetch"),
            ),
            Self::TooDeep => built(
                format!("请求体的 JSON 嵌套过深，最多 {MOST_DEPTH} 层"),
                format!("the JSON of the body is nested too deep; the most is {MOST_DEPTH} levels"),
            ),
            Self::IdempotencyKey => plain(
                "请求头 Idempotency-Key 应为 1 至 255 个可打印 ASCII 字符，且只能出现一次",
                "the header Idempotency-Key must be 1 to 255 printable ASCII characters, once",
            ),
            Self::InvalidAction(platform) => {
                let known: Vec<&str> = platform.actions().map(Action::as_str).collect();
                built(
                    format!("任务类型无效，{platform} 支持：{}", known.join("、")),
                    format!("the actions of {platform} are {}", known.join(", ")),
                )
            }
            Self::TaskNotExist => plain(
                "任务或片段不存在，请检查 task_id 或片段 ID",
                "you have no such task or clip; check the `task_id` or the clip's id",
            ),
            Self::TaskNotFound => plain(
                "任务不存在，请检查 task_id",
                "there is no such task; check the `task_id`",
            ),
            Self::NothingToContinue => plain(
                "task_id 所指的任务从未被上游受理，没有可续写的内容",
                "the task of `task_id` was never accepted by an upstream: there is nothing to continue",
            ),
            Self::ClipsApart => plain(
                "这些片段由不同的渠道生成，一次请求只能使用同一渠道的片段",
                "these clips were made at different channels; a request can use clips of one channel",
            ),
            Self::TooManyClips => built(
                format!("一次请求最多使用 {CLIPS} 个片段"),
                format!("a request can use at most {CLIPS} clips"),
            ),
            Self::QuotaNotEnough => plain(
                "用户或密钥的额度不足，本次未扣费",
                "the quota of the user or of the key does not suffice; nothing was taken",
            ),
            Self::IdempotencyKeyReused => plain(
                "该 Idempotency-Key 已用于内容不同的请求，请换用新的值",
                "this Idempotency-Key was used for a different request; use a new one",
            ),
            Self::TooManyAnswers => plain(
                "您的响应数据过多，仍有未读取的部分，请先读取已请求的响应，稍后重试",
                "too many bytes of your answers are under way: read those that you asked for, then try again",
            ),
            Self::TooManyRequests(_) => plain(
                "该令牌或密钥的请求过于频繁，本次未做任何处理，请按响应头 Retry-After 的秒数等待后重试",
                "too many requests with this credential; nothing was done: wait as many seconds as the header \
                 Retry-After says, then try again",
            ),
            Self::TooManyAtOnce => plain(
                "该令牌或密钥同时进行的请求过多，本次未做任何处理，请等已发出的请求完成后重试",
                "too many requests with this credential are under way at once; nothing was done: wait for their \
                 answers, then try again",
            ),
            Self::TooManyFailures(_) => plain(
                "您的地址认证失败次数过多，且本次的令牌或密钥无效，请检查请求头 Authorization，并按响应头 Retry-After 的秒数等待后重试",
                "too many sign-ins from your address failed, and this credential does not open this path either: \
                 check the header Authorization, and wait as many seconds as the header Retry-After says",
            ),
            Self::TooManyTasks => plain(
                "您等待提交的任务过多，本次未扣费，请稍后重试",
                "too many of your tasks wait to be sent; nothing was taken; try again later",
            ),
            Self::NoAvailableChannel => plain(
                "当前没有可用的渠道，本次未扣费，请稍后重试",
                "no channel is available now; nothing was taken; try again later",
            ),
            Self::Busy => plain(
                "服务繁忙或数据库暂不可用，请稍后重试；提交任务时请使用相同的 Idempotency-Key",
                "the service is busy, or its database is away: try again in a moment, a submit with the same \
                 Idempotency-Key",
            ),
            Self::Internal => plain(
                "服务器内部错误，请稍后重试",
                "something went wrong on our side; try again later",
            ),
        }
    }
}

impl Wanted {
    /// The text about the parameter or the field `name`.
    fn of(self, chinese_kind: &str, english_kind: &str, name: &str) -> Text {
        let (chinese, english): (Cow<str>, Cow<str>) = match self {
            Self::WholeNumber => ("应为整数".into(), "must be a whole number".into()),
            Self::Number => ("应为有限的数字".into(), "must be a finite number".into()),
            Self::Flag => ("应为 true 或 false".into(), "must be true or false".into()),
            Self::Text => ("应为字符串".into(), "must be a string".into()),
            Self::TextWithoutNul => (
                "不能包含 NUL 字符（U+0000）".into(),
                "must not contain NUL characters (U+0000)".into(),
            ),
            Self::TextWithoutSurrogates => (
                "不能包含不成对的代理项（\\ud800 至 \\udfff）".into(),
                "must not contain half of a surrogate pair (\\ud800 to \\udfff)".into(),
            ),
            Self::Seconds => (
                "应为以秒为单位的 Unix 时间，而不是毫秒".into(),
                "must be a Unix time in seconds, not milliseconds".into(),
            ),
            Self::Strings => (
                "应为字符串数组".into(),
                "must be an array of strings".into(),
            ),
            Self::Object => (
                "应为 JSON 对象，即 {…}".into(),
                "must be a JSON object, {…}".into(),
            ),
            Self::Platform => {
                let names: Vec<&str> = Platform::known().map(Platform::as_str).collect();
                let chinese = format!("应为 {} 之一", names.join("、"));
                let english = format!("must be one of {}", names.join(", "));
                (chinese.into(), english.into())
            }
            Self::Status => {
                let names = Status::ALL.map(Status::as_str);
                let chinese = format!("应为 {} 之一", names.join("、"));
                let english = format!("must be one of {}", names.join(", "));
                (chinese.into(), english.into())
            }
        };
        built(
            format!("{chinese_kind} {name} {chinese}"),
            format!("{english_kind} `{name}` {english}"),
        )
    }
}

fn plain(chinese: &'static str, english: &'static str) -> Text {
    Text {
        chinese: chinese.into(),
        english: english.into(),
    }
}

fn built(chinese: String, english: String) -> Text {
    Text {
        chinese: chinese.into(),
        english: english.into(),
    }
}
