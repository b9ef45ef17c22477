//! The bounds of a request (`docs/contract.md`). Error texts and `/openapi.json` name them.

use std::time::Duration;

/// The largest request body, in bytes. A larger one gets 413.
pub const BODY_BYTES: usize = 256 * 1024;

/// The longest time a body may take to arrive. A slower one gets 408.
pub const BODY_TIME: Duration = Duration::from_secs(30);

/// The most ids in one `POST /suno/fetch`.
pub const FETCH_IDS: usize = 1_000;

/// The most clips that one submit may name.
pub const CLIPS: usize = 16;

/// Tasks on a page of a listing, if the client gives no `page_size` or one below 1.
pub const DEFAULT_PAGE_SIZE: i64 = 20;

/// The most tasks on a page. A larger `page_size` counts as this.
pub const PAGE_SIZE: i64 = 100;

/// The longest `Idempotency-Key`, in characters.
pub const IDEMPOTENCY_KEY: usize = 255;

/// The most bytes of a path in a log line.
pub const LOGGED_PATH: usize = 200;

/// The longest `X-Request-Id` taken over from a client, in characters.
pub const REQUEST_ID: usize = 128;
