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
