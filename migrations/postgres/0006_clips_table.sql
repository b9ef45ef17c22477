-- The clips that each user's tasks made: a request that names a clip goes to the channel that made the clip.
--
-- No foreign key: its check would look up, and lock, a task for each clip that is written. A trigger removes
-- the clips of a task that goes.
CREATE TABLE clips (
    user_id BIGINT NOT NULL,
    -- The upstream's id of the clip.
    clip_id TEXT   COLLATE "C" NOT NULL,
    -- The `id` of the first task of this user with the clip.
    task    BIGINT NOT NULL,
    PRIMARY KEY (user_id, clip_id)
);

CREATE INDEX clips_task ON clips (task);

CREATE FUNCTION delete_clips() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM clips c USING deleted d WHERE c.task = d.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER tasks_delete_clips AFTER DELETE ON tasks
REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION delete_clips();
