-- What runs, who waits, and what is known of a channel: so that limits hold over all workers together, and so
-- that the next task is chosen at the same cost with ten tasks waiting or a hundred thousand.

-- How many tasks of a user, of a key and at a channel are being sent or are at the upstream. Triggers on
-- `unfinished_tasks` keep these numbers, so that programs of the version before count, too. The audit proves them.
CREATE TABLE running_tasks (
    kind  TEXT   NOT NULL CHECK (kind IN ('user', 'key', 'channel')),
    id    INTEGER NOT NULL,
    tasks INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- A line: the waiting tasks of one key that the same channels can take. The oldest task of a line is sent first.
CREATE TABLE lines (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id      INTEGER  NOT NULL,
    key_id       INTEGER  NOT NULL,
    platform     TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    -- The only channel that can take these tasks; 0: any can.
    only_channel INTEGER  NOT NULL,
    -- How many tasks wait, and the id of the first; NULL: none waits.
    waiting      INTEGER  NOT NULL DEFAULT 0,
    oldest       INTEGER,
    -- How many tasks of the user run.
    running      INTEGER  NOT NULL DEFAULT 0,
    -- Whether the user or the key has as many running tasks as it may have.
    is_full      INTEGER NOT NULL DEFAULT FALSE,
    UNIQUE (user_id, key_id, platform, action, only_channel)
) STRICT;

-- Whose turn is next: the user with the fewest running tasks, then the oldest task.
CREATE INDEX lines_next ON lines (platform, action, only_channel, running, oldest)
WHERE waiting > 0 AND NOT is_full;

-- What workers learn about a channel together. Times are Unix milliseconds.
CREATE TABLE channel_flow (
    channel_id     INTEGER PRIMARY KEY,
    -- The ceiling: how many tasks the channel takes at once; 0: nothing was learnt yet. `shared/src/task/ceiling.rs`
    -- says what the columns mean.
    ceiling        INTEGER NOT NULL DEFAULT 0,
    held_until     INTEGER NOT NULL DEFAULT 0,
    refusals       INTEGER NOT NULL DEFAULT 0,
    former         INTEGER NOT NULL DEFAULT 0,
    -- Until when one task above the ceiling is being tried.
    trying_until   INTEGER NOT NULL DEFAULT 0,
    -- Until when one task is being sent to find out whether the channel is well again.
    probing_until  INTEGER NOT NULL DEFAULT 0,
    -- When the next submit is on time, by `submits_per_minute`: Unix microseconds.
    next_submit_at INTEGER NOT NULL DEFAULT 0,
    -- How many submits of late ended well and badly, in thousandths, as of `recent_at`.
    recent_good    INTEGER NOT NULL DEFAULT 0,
    recent_bad     INTEGER NOT NULL DEFAULT 0,
    recent_at      INTEGER NOT NULL DEFAULT 0
) STRICT;
