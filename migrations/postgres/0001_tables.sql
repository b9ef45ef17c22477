-- The tables of the task center. `migrations/sqlite` has the same numbers and the same columns.
-- Times named *_at in narrow tables and histories are Unix milliseconds; the times of `tasks` are
-- Unix seconds, as the API prints them. Quota is whole units.

CREATE TABLE users (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         TEXT    NOT NULL UNIQUE,
    role         TEXT    NOT NULL CHECK (role IN ('user', 'admin')),
    enabled      BOOLEAN NOT NULL DEFAULT TRUE,
    quota        BIGINT  NOT NULL CHECK (quota >= 0),
    used_quota   BIGINT  NOT NULL CHECK (used_quota >= 0),
    token_digest BYTEA   NOT NULL UNIQUE,
    created_at   BIGINT  NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE api_keys (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id     BIGINT  NOT NULL REFERENCES users (id),
    label       TEXT    NOT NULL,
    digest      BYTEA   NOT NULL UNIQUE,
    enabled     BOOLEAN NOT NULL DEFAULT TRUE,
    -- The most that may ever be spent with it; what is left is this less used_quota.
    quota_limit BIGINT  CHECK (quota_limit >= 0),
    used_quota  BIGINT  NOT NULL DEFAULT 0 CHECK (used_quota >= 0),
    created_at  BIGINT  NOT NULL,
    CHECK (quota_limit IS NULL OR used_quota <= quota_limit)
) WITH (fillfactor = 70);

CREATE INDEX api_keys_user ON api_keys (user_id);

CREATE TABLE channels (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    platform   TEXT    NOT NULL,
    base_url   TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    enabled    BOOLEAN NOT NULL DEFAULT TRUE,
    builtin    BOOLEAN NOT NULL DEFAULT FALSE,
    priority   BIGINT NOT NULL DEFAULT 0,
    weight     BIGINT NOT NULL DEFAULT 1 CHECK (weight >= 1),
    used_quota BIGINT  NOT NULL DEFAULT 0 CHECK (used_quota >= 0),
    cool_until BIGINT  NOT NULL DEFAULT 0,
    cool_count BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT  NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE prices (
    platform TEXT   NOT NULL,
    action   TEXT   NOT NULL,
    quota    BIGINT NOT NULL CHECK (quota >= 0),
    PRIMARY KEY (platform, action)
);

INSERT INTO prices (platform, action, quota) VALUES ('suno', 'song', 150000), ('suno', 'lyrics', 5000);

-- The wide row that people list. Written when something changes that they can see.
CREATE TABLE tasks (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id     TEXT     NOT NULL UNIQUE,
    user_id     BIGINT   NOT NULL REFERENCES users (id),
    key_id      BIGINT   NOT NULL REFERENCES api_keys (id),
    -- The channel that accepted it, or refused it for good; whether it accepted: upstream_id.
    channel_id  BIGINT   REFERENCES channels (id),
    upstream_id TEXT,
    platform    TEXT     NOT NULL,
    action      TEXT     NOT NULL CHECK (action IN ('song', 'lyrics')),
    status      TEXT     NOT NULL CHECK (status IN
        ('NOT_START', 'SUBMITTED', 'QUEUED', 'IN_PROGRESS', 'SUCCESS', 'FAILURE', 'UNKNOWN')),
    progress    BIGINT NOT NULL CHECK (progress BETWEEN 0 AND 100),
    fail_reason TEXT     NOT NULL DEFAULT '',
    quota       BIGINT   NOT NULL CHECK (quota >= 0),
    created_at  BIGINT   NOT NULL,
    updated_at  BIGINT   NOT NULL,
    submit_time BIGINT   NOT NULL,
    start_time  BIGINT   NOT NULL DEFAULT 0,
    finish_time BIGINT   NOT NULL DEFAULT 0,
    request     TEXT     NOT NULL,
    input       TEXT     NOT NULL,
    data        TEXT,
    -- 100 % exactly when the task is terminal.
    CHECK ((progress = 100) = (status IN ('SUCCESS', 'FAILURE')))
) WITH (fillfactor = 80);

CREATE INDEX tasks_user ON tasks (user_id, id DESC);

-- The narrow row of an unfinished task: what workers write all the time. It goes when the task ends.
-- No index holds a column that changes at each poll but due_at, which the sweep needs.
CREATE TABLE unfinished_tasks (
    id             BIGINT   PRIMARY KEY REFERENCES tasks (id),
    turn           BIGINT   NOT NULL DEFAULT 0,
    due_at         BIGINT   NOT NULL,
    deadline       BIGINT   NOT NULL,
    -- 'submit': to be submitted. 'sending': the intention to submit stands, without an outcome.
    -- 'poll': accepted by channel_id as upstream_id.
    stage          TEXT     NOT NULL CHECK (stage IN ('submit', 'sending', 'poll')),
    -- Who recorded the intention: a random number.
    claim          BIGINT,
    pinned_channel BIGINT,
    channel_id     BIGINT,
    upstream_id    TEXT,
    attempts       BIGINT  NOT NULL DEFAULT 0,
    polls          BIGINT  NOT NULL DEFAULT 0,
    missing        BIGINT  NOT NULL DEFAULT 0,
    digest         BIGINT   NOT NULL DEFAULT 0,
    CHECK ((stage = 'poll') = (upstream_id IS NOT NULL))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX unfinished_tasks_due ON unfinished_tasks (due_at);

-- Append only. `amount` is what it changed the user's quota by.
CREATE TABLE ledger (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    BIGINT NOT NULL REFERENCES users (id),
    key_id     BIGINT REFERENCES api_keys (id),
    task_id    BIGINT REFERENCES tasks (id),
    kind       TEXT   NOT NULL CHECK (kind IN ('charge', 'refund', 'grant')),
    amount     BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (task_id, kind),
    CHECK (CASE kind WHEN 'charge' THEN amount <= 0 ELSE amount >= 0 END),
    CHECK ((kind = 'grant') = (task_id IS NULL)),
    CHECK ((kind = 'grant') = (key_id IS NULL))
);

-- What happened to a task, append only.
CREATE TABLE task_events (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id BIGINT NOT NULL REFERENCES tasks (id),
    at      BIGINT NOT NULL,
    turn    BIGINT NOT NULL,
    kind    TEXT   NOT NULL,
    detail  TEXT   NOT NULL
);

CREATE INDEX task_events_task ON task_events (task_id, id);

-- Idempotency keys of the last 24 h; the digest is of action and body.
CREATE TABLE idempotency_keys (
    user_id    BIGINT NOT NULL REFERENCES users (id),
    key        TEXT   NOT NULL,
    request    BYTEA  NOT NULL,
    task_id    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, key)
);

CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- Tasks given up at their deadline, looked at a few times more: the upstream may make them yet.
CREATE TABLE late_tasks (
    id          BIGINT  PRIMARY KEY REFERENCES tasks (id),
    channel_id  BIGINT  NOT NULL,
    upstream_id TEXT    NOT NULL,
    due_at      BIGINT  NOT NULL,
    looks       BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX late_tasks_due ON late_tasks (due_at);
