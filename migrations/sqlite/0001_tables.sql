-- The tables of the task center. `migrations/postgres` has the same numbers and the same columns.
-- Times named *_at in narrow tables and histories are Unix milliseconds; the times of `tasks` are
-- Unix seconds, as the API prints them. Quota is whole units.

CREATE TABLE users (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT    NOT NULL UNIQUE,
    role         TEXT    NOT NULL CHECK (role IN ('user', 'admin')),
    enabled      INTEGER NOT NULL DEFAULT 1,
    quota        INTEGER  NOT NULL CHECK (quota >= 0),
    used_quota   INTEGER  NOT NULL CHECK (used_quota >= 0),
    token_digest BLOB   NOT NULL UNIQUE,
    created_at   INTEGER  NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id     INTEGER  NOT NULL REFERENCES users (id),
    label       TEXT    NOT NULL,
    digest      BLOB   NOT NULL UNIQUE,
    enabled     INTEGER NOT NULL DEFAULT 1,
    -- The most that may ever be spent with it; what is left is this less used_quota.
    quota_limit INTEGER  CHECK (quota_limit >= 0),
    used_quota  INTEGER  NOT NULL DEFAULT 0 CHECK (used_quota >= 0),
    created_at  INTEGER  NOT NULL,
    CHECK (quota_limit IS NULL OR used_quota <= quota_limit)
) STRICT;

CREATE INDEX api_keys_user ON api_keys (user_id);

CREATE TABLE channels (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL UNIQUE,
    platform   TEXT    NOT NULL,
    base_url   TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    enabled    INTEGER NOT NULL DEFAULT 1,
    builtin    INTEGER NOT NULL DEFAULT 0,
    priority   INTEGER NOT NULL DEFAULT 0,
    weight     INTEGER NOT NULL DEFAULT 1 CHECK (weight >= 1),
    used_quota INTEGER  NOT NULL DEFAULT 0 CHECK (used_quota >= 0),
    cool_until INTEGER  NOT NULL DEFAULT 0,
    cool_count INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER  NOT NULL
) STRICT;

CREATE TABLE prices (
    platform TEXT   NOT NULL,
    action   TEXT   NOT NULL,
    quota    INTEGER NOT NULL CHECK (quota >= 0),
    PRIMARY KEY (platform, action)
) STRICT;

INSERT INTO prices (platform, action, quota) VALUES ('suno', 'song', 150000), ('suno', 'lyrics', 5000);

-- The wide row that people list. Written when something changes that they can see.
CREATE TABLE tasks (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id     TEXT     NOT NULL UNIQUE,
    user_id     INTEGER   NOT NULL REFERENCES users (id),
    key_id      INTEGER   NOT NULL REFERENCES api_keys (id),
    -- The channel that accepted it, or refused it for good; whether it accepted: upstream_id.
    channel_id  INTEGER   REFERENCES channels (id),
    upstream_id TEXT,
    platform    TEXT     NOT NULL,
    action      TEXT     NOT NULL CHECK (action IN ('song', 'lyrics')),
    status      TEXT     NOT NULL CHECK (status IN
        ('NOT_START', 'SUBMITTED', 'QUEUED', 'IN_PROGRESS', 'SUCCESS', 'FAILURE', 'UNKNOWN')),
    progress    INTEGER NOT NULL CHECK (progress BETWEEN 0 AND 100),
    fail_reason TEXT     NOT NULL DEFAULT '',
    quota       INTEGER   NOT NULL CHECK (quota >= 0),
    created_at  INTEGER   NOT NULL,
    updated_at  INTEGER   NOT NULL,
    submit_time INTEGER   NOT NULL,
    start_time  INTEGER   NOT NULL DEFAULT 0,
    finish_time INTEGER   NOT NULL DEFAULT 0,
    request     TEXT     NOT NULL,
    input       TEXT     NOT NULL,
    data        TEXT,
    -- 100 % exactly when the task is terminal.
    CHECK ((progress = 100) = (status IN ('SUCCESS', 'FAILURE')))
) STRICT;

CREATE INDEX tasks_user ON tasks (user_id, id DESC);

-- The narrow row of an unfinished task: what workers write all the time. It goes when the task ends.
-- No index holds a column that changes at each poll but due_at, which the sweep needs.
CREATE TABLE unfinished_tasks (
    id             INTEGER PRIMARY KEY REFERENCES tasks (id),
    turn           INTEGER   NOT NULL DEFAULT 0,
    due_at         INTEGER   NOT NULL,
    deadline       INTEGER   NOT NULL,
    -- 'submit': to be submitted. 'sending': the intention to submit stands, without an outcome.
    -- 'poll': accepted by channel_id as upstream_id.
    stage          TEXT     NOT NULL CHECK (stage IN ('submit', 'sending', 'poll')),
    -- Who recorded the intention: a random number.
    claim          INTEGER,
    pinned_channel INTEGER,
    channel_id     INTEGER,
    upstream_id    TEXT,
    attempts       INTEGER  NOT NULL DEFAULT 0,
    polls          INTEGER  NOT NULL DEFAULT 0,
    missing        INTEGER  NOT NULL DEFAULT 0,
    digest         INTEGER   NOT NULL DEFAULT 0,
    CHECK ((stage = 'poll') = (upstream_id IS NOT NULL))
) STRICT;

CREATE INDEX unfinished_tasks_due ON unfinished_tasks (due_at);

-- Append only. `amount` is what it changed the user's quota by.
CREATE TABLE ledger (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    INTEGER NOT NULL REFERENCES users (id),
    key_id     INTEGER REFERENCES api_keys (id),
    task_id    INTEGER REFERENCES tasks (id),
    kind       TEXT   NOT NULL CHECK (kind IN ('charge', 'refund', 'grant')),
    amount     INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (task_id, kind),
    CHECK (CASE kind WHEN 'charge' THEN amount <= 0 ELSE amount >= 0 END),
    CHECK ((kind = 'grant') = (task_id IS NULL)),
    CHECK ((kind = 'grant') = (key_id IS NULL))
) STRICT;

-- What happened to a task, append only.
CREATE TABLE task_events (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id INTEGER NOT NULL REFERENCES tasks (id),
    at      INTEGER NOT NULL,
    turn    INTEGER NOT NULL,
    kind    TEXT   NOT NULL,
    detail  TEXT   NOT NULL
) STRICT;

CREATE INDEX task_events_task ON task_events (task_id, id);

-- Idempotency keys of the last 24 h; the digest is of action and body.
CREATE TABLE idempotency_keys (
    user_id    INTEGER NOT NULL REFERENCES users (id),
    key        TEXT   NOT NULL,
    request    BLOB  NOT NULL,
    task_id    TEXT   NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
) STRICT;

CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- Tasks given up at their deadline, looked at a few times more: the upstream may make them yet.
CREATE TABLE late_tasks (
    id          INTEGER PRIMARY KEY REFERENCES tasks (id),
    channel_id  INTEGER  NOT NULL,
    upstream_id TEXT    NOT NULL,
    due_at      INTEGER  NOT NULL,
    looks       INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX late_tasks_due ON late_tasks (due_at);
