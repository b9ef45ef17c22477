-- Exact counts of tasks for the listings, whatever the filter: `shared/src/store/listing` says how
-- they are read, and why a page costs the same with a thousand tasks or ten million.

-- How many tasks the user ever had; and of each task, the how-manieth of its user's it is: 1, 2, 3, …
ALTER TABLE users ADD COLUMN tasks INTEGER NOT NULL DEFAULT 0 CHECK (tasks >= 0);
ALTER TABLE tasks ADD COLUMN user_seq INTEGER NOT NULL DEFAULT 0;

UPDATE tasks
SET user_seq = numbered.seq
FROM (SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY id) AS seq FROM tasks) AS numbered
WHERE numbered.id = tasks.id;

UPDATE users
SET tasks = counted.tasks
FROM (SELECT user_id, count(*) AS tasks FROM tasks GROUP BY user_id) AS counted
WHERE counted.user_id = users.id;

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
    scope        INTEGER NOT NULL,
    level        INTEGER NOT NULL CHECK (level BETWEEN 0 AND 3),
    block        INTEGER NOT NULL,
    -- 0: no channel has them yet.
    channel_id   INTEGER NOT NULL,
    platform     TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    tasks        INTEGER NOT NULL,
    first_submit INTEGER NOT NULL,
    last_submit  INTEGER NOT NULL,
    PRIMARY KEY (scope, level, block, channel_id, platform, action, status)
) WITHOUT ROWID;

CREATE INDEX task_counts_of_none ON task_counts (tasks) WHERE tasks = 0;

-- What changed since the last fold, a second ago: a row for each task that is new, or whose status or
-- channel changed; one that went from one unfinished status to another has no task in it.
CREATE TABLE task_changes (
    id          INTEGER PRIMARY KEY,
    task        INTEGER,
    user_id     INTEGER,
    user_seq    INTEGER,
    platform    TEXT    NOT NULL,
    action      TEXT    NOT NULL,
    submit_time INTEGER,
    -- NULL: the task is new.
    old_channel INTEGER,
    old_status  TEXT,
    -- NULL: it was deleted, which we never do.
    new_channel INTEGER,
    new_status  TEXT,
    tasks       INTEGER NOT NULL
);

-- Triggers, and not the statements that write tasks: whoever changes one, it is counted.
CREATE TRIGGER note_new_task AFTER INSERT ON tasks
BEGIN
    INSERT INTO task_changes (task, user_id, user_seq, platform, action, submit_time, new_channel,
                              new_status, tasks)
    VALUES (NEW.id, NEW.user_id, NEW.user_seq, NEW.platform, NEW.action, NEW.submit_time,
            coalesce(NEW.channel_id, 0), NEW.status, 1);
END;

CREATE TRIGGER note_deleted_task AFTER DELETE ON tasks
BEGIN
    INSERT INTO task_changes (task, user_id, user_seq, platform, action, submit_time, old_channel,
                              old_status, tasks)
    VALUES (OLD.id, OLD.user_id, OLD.user_seq, OLD.platform, OLD.action, OLD.submit_time,
            coalesce(OLD.channel_id, 0), OLD.status, 1);
END;

CREATE TRIGGER note_moved_task AFTER UPDATE OF status, channel_id ON tasks
WHEN OLD.channel_id IS NOT NEW.channel_id
     OR OLD.status <> NEW.status
        AND (OLD.status IN ('SUCCESS', 'FAILURE') OR NEW.status IN ('SUCCESS', 'FAILURE'))
BEGIN
    INSERT INTO task_changes (task, user_id, user_seq, platform, action, submit_time, old_channel,
                              old_status, new_channel, new_status, tasks)
    VALUES (NEW.id, NEW.user_id, NEW.user_seq, NEW.platform, NEW.action, NEW.submit_time,
            coalesce(OLD.channel_id, 0), OLD.status, coalesce(NEW.channel_id, 0), NEW.status, 1);
END;

CREATE TRIGGER note_changed_task AFTER UPDATE OF status ON tasks
WHEN OLD.channel_id IS NEW.channel_id AND OLD.status <> NEW.status
     AND OLD.status NOT IN ('SUCCESS', 'FAILURE') AND NEW.status NOT IN ('SUCCESS', 'FAILURE')
BEGIN
    INSERT INTO task_changes (platform, action, old_channel, old_status, new_channel, new_status,
                              tasks)
    VALUES (NEW.platform, NEW.action, coalesce(OLD.channel_id, 0), OLD.status,
            coalesce(NEW.channel_id, 0), NEW.status, 1);
END;

-- What is there already.
INSERT INTO task_counts (scope, level, block, channel_id, platform, action, status, tasks,
                         first_submit, last_submit)
SELECT CASE users WHEN 1 THEN user_id ELSE 0 END AS of_scope, level,
       CASE users WHEN 1 THEN user_seq ELSE id END >> (8 + 5 * level) AS in_block,
       coalesce(channel_id, 0) AS at_channel, platform, action,
       CASE WHEN status IN ('SUCCESS', 'FAILURE') THEN status ELSE 'UNFINISHED' END AS state,
       count(*), min(submit_time), max(submit_time)
FROM tasks
JOIN (SELECT 0 AS users, 0 AS level UNION ALL SELECT 0, 1 UNION ALL SELECT 0, 2
      UNION ALL SELECT 1, 0 UNION ALL SELECT 1, 1) AS place
GROUP BY of_scope, level, in_block, at_channel, platform, action, state;

INSERT INTO task_counts (scope, level, block, channel_id, platform, action, status, tasks,
                         first_submit, last_submit)
SELECT 0, 3, 0, coalesce(channel_id, 0) AS at_channel, platform, action, status, count(*),
       min(submit_time), max(submit_time)
FROM tasks
WHERE status NOT IN ('SUCCESS', 'FAILURE')
GROUP BY at_channel, platform, action, status;
