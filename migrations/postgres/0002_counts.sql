-- Exact counts of tasks for the listings, whatever the filter: `shared/src/store/listing` says how
-- they are read, and why a page costs the same with a thousand tasks or ten million.

-- How many tasks the user ever had; and of each task, the how-manieth of its user's it is: 1, 2, 3, …
-- The user's row is locked when a number is given, before the task gets its id: both ascend together.
ALTER TABLE users ADD COLUMN tasks BIGINT NOT NULL DEFAULT 0 CHECK (tasks >= 0);
ALTER TABLE tasks ADD COLUMN user_seq BIGINT;

UPDATE tasks t
SET user_seq = numbered.seq
FROM (SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY id) AS seq FROM tasks) numbered
WHERE numbered.id = t.id;

UPDATE users u
SET tasks = counted.tasks
FROM (SELECT user_id, count(*) AS tasks FROM tasks GROUP BY user_id) counted
WHERE counted.user_id = u.id;

ALTER TABLE tasks ALTER COLUMN user_seq SET NOT NULL;
CREATE UNIQUE INDEX tasks_user_seq ON tasks (user_id, user_seq);
DROP INDEX tasks_user;

-- How many tasks there are that are alike, as of the last fold, by where they lie.
--
-- Everybody's tasks (scope 0) lie in blocks by their id, a user's (scope: the user) by their user_seq.
-- Blocks of level 0 are 256 positions long, those of level 1 are 32 of these, those of level 2, which
-- users do not have, 32 of those. In blocks a status is SUCCESS, FAILURE, or UNFINISHED for all others.
-- Level 3, block 0, of scope 0 is everywhere: there each unfinished status is counted by its own name.
--
-- All tasks of a row were submitted between first_submit and last_submit: Unix seconds, inclusive.
CREATE TABLE task_counts (
    scope        BIGINT   NOT NULL,
    level        SMALLINT NOT NULL CHECK (level BETWEEN 0 AND 3),
    block        BIGINT   NOT NULL,
    -- 0: no channel has them yet.
    channel_id   BIGINT   NOT NULL,
    platform     TEXT     NOT NULL,
    action       TEXT     NOT NULL,
    status       TEXT     NOT NULL,
    tasks        BIGINT   NOT NULL,
    first_submit BIGINT   NOT NULL,
    last_submit  BIGINT   NOT NULL,
    PRIMARY KEY (scope, level, block, channel_id, platform, action, status)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- What changed since the last fold, a second ago. So nobody who writes waits for whoever counts.
-- A row for each task that is new, has a channel, or ended; and for those that went from one unfinished
-- status to another a row for all of a statement that are alike, with no task in it.
CREATE TABLE task_changes (
    -- Ascends with the changes of a task. No index: it is all read, every second, and goes.
    id          BIGINT GENERATED ALWAYS AS IDENTITY,
    task        BIGINT,
    user_id     BIGINT,
    user_seq    BIGINT,
    platform    TEXT   NOT NULL,
    action      TEXT   NOT NULL,
    submit_time BIGINT,
    -- NULL: the task is new.
    old_channel BIGINT,
    old_status  TEXT,
    -- NULL: it was deleted, which we never do.
    new_channel BIGINT,
    new_status  TEXT,
    tasks       BIGINT NOT NULL
);

-- As blocks name a status.
CREATE FUNCTION task_state(status TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN status IN ('SUCCESS', 'FAILURE') THEN status
                WHEN status IS NOT NULL THEN 'UNFINISHED' END
$$;

-- Triggers, and not the statements that write tasks: whoever changes one, it is counted.
CREATE FUNCTION note_new_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO task_changes (task, user_id, user_seq, platform, action, submit_time, new_channel,
                              new_status, tasks)
    VALUES (NEW.id, NEW.user_id, NEW.user_seq, NEW.platform, NEW.action, NEW.submit_time,
            coalesce(NEW.channel_id, 0), NEW.status, 1);
    RETURN NULL;
END
$$;

CREATE TRIGGER note_new_task AFTER INSERT ON tasks
FOR EACH ROW EXECUTE FUNCTION note_new_task();

CREATE FUNCTION note_deleted_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO task_changes (task, user_id, user_seq, platform, action, submit_time, old_channel,
                              old_status, tasks)
    VALUES (OLD.id, OLD.user_id, OLD.user_seq, OLD.platform, OLD.action, OLD.submit_time,
            coalesce(OLD.channel_id, 0), OLD.status, 1);
    RETURN NULL;
END
$$;

CREATE TRIGGER note_deleted_task AFTER DELETE ON tasks
FOR EACH ROW EXECUTE FUNCTION note_deleted_task();

CREATE FUNCTION note_changed_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO task_changes (task, user_id, user_seq, platform, action, submit_time, old_channel,
                              old_status, new_channel, new_status, tasks)
    SELECT CASE WHEN moved THEN n.id END, CASE WHEN moved THEN n.user_id END,
           CASE WHEN moved THEN n.user_seq END, n.platform, n.action,
           CASE WHEN moved THEN n.submit_time END, coalesce(o.channel_id, 0), o.status,
           coalesce(n.channel_id, 0), n.status, count(*)
    FROM new_tasks n
    JOIN old_tasks o ON o.id = n.id
    CROSS JOIN LATERAL (
        SELECT o.channel_id IS DISTINCT FROM n.channel_id
               OR task_state(o.status) <> task_state(n.status) AS moved
    ) AS change
    WHERE moved OR o.status <> n.status
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;
    RETURN NULL;
END
$$;

CREATE TRIGGER note_changed_tasks AFTER UPDATE ON tasks
REFERENCING OLD TABLE AS old_tasks NEW TABLE AS new_tasks
FOR EACH STATEMENT EXECUTE FUNCTION note_changed_tasks();

-- A song's row grows to three times its length when its result comes. Where its page has the room, no
-- index has to be written.
ALTER TABLE tasks SET (fillfactor = 35);

-- One index for each line of history, not two.
ALTER TABLE task_events DROP CONSTRAINT task_events_pkey;
DROP INDEX task_events_task;
ALTER TABLE task_events ADD PRIMARY KEY (task_id, id);

-- What is there already.
INSERT INTO task_counts (scope, level, block, channel_id, platform, action, status, tasks,
                         first_submit, last_submit)
SELECT place.scope, place.level, place.position >> (8 + 5 * place.level), coalesce(channel_id, 0),
       platform, action, task_state(status), count(*), min(submit_time), max(submit_time)
FROM tasks
CROSS JOIN LATERAL (VALUES (0, 0, id), (0, 1, id), (0, 2, id), (user_id, 0, user_seq),
                           (user_id, 1, user_seq)) AS place (scope, level, position)
GROUP BY 1, 2, 3, 4, 5, 6, 7;

INSERT INTO task_counts (scope, level, block, channel_id, platform, action, status, tasks,
                         first_submit, last_submit)
SELECT 0, 3, 0, coalesce(channel_id, 0), platform, action, status, count(*), min(submit_time),
       max(submit_time)
FROM tasks
WHERE task_state(status) = 'UNFINISHED'
GROUP BY 4, 5, 6, 7;
