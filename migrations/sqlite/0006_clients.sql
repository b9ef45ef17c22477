-- The clips that each user's tasks made: a request that names a clip goes to the channel that made the clip.
CREATE TABLE clips (
    user_id INTEGER NOT NULL,
    -- The upstream's id of the clip.
    clip_id TEXT    NOT NULL,
    -- The `id` of the first task of this user with the clip.
    task    INTEGER NOT NULL,
    PRIMARY KEY (user_id, clip_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX clips_task ON clips (task);

CREATE TRIGGER tasks_delete_clips AFTER DELETE ON tasks
BEGIN
    DELETE FROM clips WHERE task = OLD.id;
END;

-- From when on an API key is refused; NULL: never.
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;

-- Whether the upstream takes a request that it got twice, with the same `Idempotency-Key`, for one.
ALTER TABLE channels ADD COLUMN idempotent INTEGER NOT NULL DEFAULT 0;

-- A digest of the address and the key of the channel that the request was last sent to. NULL: it was not
-- sent, surely did not arrive, or was sent by a program of the version before.
-- In the stage 'sending' without a claim, the outcome of the last submit is unknown, and the channel takes
-- the same request again.
ALTER TABLE unfinished_tasks ADD COLUMN sent_to INTEGER;

-- The digest of `request` and of what the request means: its action and its body's JSON without regard to order,
-- spacing and escapes. NULL: a program of the version before stored the key.
ALTER TABLE idempotency_keys ADD COLUMN meaning BLOB;
