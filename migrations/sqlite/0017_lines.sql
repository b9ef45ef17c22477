-- Every unfinished task knows its user, its key and its line, and until when it is to be sent (`send_by`).
-- `last_heard`: what an upstream said last of the task, in words for its user; NULL: nothing.
ALTER TABLE unfinished_tasks ADD COLUMN user_id    INTEGER;
ALTER TABLE unfinished_tasks ADD COLUMN key_id     INTEGER;
ALTER TABLE unfinished_tasks ADD COLUMN line       INTEGER;
ALTER TABLE unfinished_tasks ADD COLUMN send_by    INTEGER;
ALTER TABLE unfinished_tasks ADD COLUMN last_heard TEXT;

-- What there is already.
INSERT INTO lines (user_id, key_id, platform, action, only_channel, waiting, oldest)
SELECT t.user_id, t.key_id, t.platform, t.action, coalesce(n.pinned_channel, 0),
       count(*) FILTER (WHERE n.stage = 'submit'), min(n.id) FILTER (WHERE n.stage = 'submit')
FROM unfinished_tasks n
JOIN tasks t ON t.id = n.id
GROUP BY 1, 2, 3, 4, 5;

UPDATE unfinished_tasks
SET (user_id, key_id) = (SELECT t.user_id, t.key_id FROM tasks t WHERE t.id = unfinished_tasks.id),
    send_by = deadline,
    line = (SELECT l.id FROM tasks t
            JOIN lines l ON l.user_id = t.user_id AND l.key_id = t.key_id AND l.platform = t.platform
                        AND l.action = t.action
            WHERE t.id = unfinished_tasks.id AND l.only_channel = coalesce(unfinished_tasks.pinned_channel, 0));

INSERT INTO running_tasks (kind, id, tasks)
SELECT 'user', user_id, count(*) FILTER (WHERE stage <> 'submit') FROM unfinished_tasks GROUP BY user_id
UNION ALL
SELECT 'key', key_id, count(*) FILTER (WHERE stage <> 'submit') FROM unfinished_tasks GROUP BY key_id
UNION ALL
SELECT 'channel', channel_id, count(*) FROM unfinished_tasks WHERE stage <> 'submit' GROUP BY channel_id;

UPDATE lines
SET running = (SELECT r.tasks FROM running_tasks r WHERE r.kind = 'user' AND r.id = lines.user_id);

CREATE INDEX unfinished_tasks_line ON unfinished_tasks (line, id) WHERE stage = 'submit';

-- Programs of the version before insert tasks, too, and know nothing of lines.
CREATE TRIGGER find_line AFTER INSERT ON unfinished_tasks
BEGIN
    INSERT INTO running_tasks (kind, id, tasks)
    SELECT 'user', t.user_id, 0 FROM tasks t WHERE t.id = NEW.id
    UNION ALL
    SELECT 'key', t.key_id, 0 FROM tasks t WHERE t.id = NEW.id
    ON CONFLICT DO NOTHING;
    INSERT INTO lines (user_id, key_id, platform, action, only_channel, running)
    SELECT t.user_id, t.key_id, t.platform, t.action, coalesce(NEW.pinned_channel, 0), r.tasks
    FROM tasks t
    JOIN running_tasks r ON r.kind = 'user' AND r.id = t.user_id
    WHERE t.id = NEW.id
    ON CONFLICT DO NOTHING;
    UPDATE unfinished_tasks
    SET send_by = coalesce(send_by, deadline),
        (user_id, key_id, line) = (
            SELECT t.user_id, t.key_id, l.id
            FROM tasks t
            JOIN lines l ON l.user_id = t.user_id AND l.key_id = t.key_id AND l.platform = t.platform
                        AND l.action = t.action AND l.only_channel = coalesce(NEW.pinned_channel, 0)
            WHERE t.id = NEW.id)
    WHERE id = NEW.id;
    UPDATE lines SET waiting = waiting + 1, oldest = min(coalesce(oldest, NEW.id), NEW.id)
    WHERE NEW.stage = 'submit' AND id = (SELECT line FROM unfinished_tasks WHERE id = NEW.id);
END;

CREATE TRIGGER count_sent_task AFTER UPDATE OF stage ON unfinished_tasks
WHEN OLD.stage = 'submit' AND NEW.stage <> 'submit'
BEGIN
    INSERT INTO running_tasks (kind, id, tasks)
    SELECT 'user', NEW.user_id, 1 WHERE NEW.user_id IS NOT NULL
    ON CONFLICT (kind, id) DO UPDATE SET tasks = tasks + 1;
    INSERT INTO running_tasks (kind, id, tasks)
    SELECT 'key', NEW.key_id, 1 WHERE NEW.key_id IS NOT NULL
    ON CONFLICT (kind, id) DO UPDATE SET tasks = tasks + 1;
    INSERT INTO running_tasks (kind, id, tasks)
    SELECT 'channel', NEW.channel_id, 1 WHERE NEW.channel_id IS NOT NULL
    ON CONFLICT (kind, id) DO UPDATE SET tasks = tasks + 1;
    UPDATE lines SET waiting = waiting - 1,
        oldest = (SELECT min(t.id) FROM unfinished_tasks t WHERE t.line = lines.id AND t.stage = 'submit')
    WHERE id = NEW.line;
    UPDATE lines SET running = (SELECT tasks FROM running_tasks WHERE kind = 'user' AND id = NEW.user_id),
        is_full = (
        SELECT u.max_tasks > 0 AND coalesce(ru.tasks, 0) >= u.max_tasks
               OR k.max_tasks > 0 AND coalesce(rk.tasks, 0) >= k.max_tasks
        FROM users u
        JOIN api_keys k ON k.id = lines.key_id
        LEFT JOIN running_tasks ru ON ru.kind = 'user' AND ru.id = lines.user_id
        LEFT JOIN running_tasks rk ON rk.kind = 'key' AND rk.id = lines.key_id
        WHERE u.id = lines.user_id)
    WHERE user_id = NEW.user_id;
END;

CREATE TRIGGER count_returned_task AFTER UPDATE OF stage ON unfinished_tasks
WHEN OLD.stage <> 'submit' AND NEW.stage = 'submit'
BEGIN
    INSERT INTO running_tasks (kind, id, tasks)
    SELECT 'user', NEW.user_id, -1 WHERE NEW.user_id IS NOT NULL
    ON CONFLICT (kind, id) DO UPDATE SET tasks = tasks - 1;
    INSERT INTO running_tasks (kind, id, tasks)
    SELECT 'key', NEW.key_id, -1 WHERE NEW.key_id IS NOT NULL
    ON CONFLICT (kind, id) DO UPDATE SET tasks = tasks - 1;
    INSERT INTO running_tasks (kind, id, tasks)
    SELECT 'channel', OLD.channel_id, -1 WHERE OLD.channel_id IS NOT NULL
    ON CONFLICT (kind, id) DO UPDATE SET tasks = tasks - 1;
    UPDATE lines SET waiting = waiting + 1,
        oldest = (SELECT min(t.id) FROM unfinished_tasks t WHERE t.line = lines.id AND t.stage = 'submit')
    WHERE id = NEW.line;
    UPDATE lines SET running = (SELECT tasks FROM running_tasks WHERE kind = 'user' AND id = NEW.user_id),
        is_full = (
        SELECT u.max_tasks > 0 AND coalesce(ru.tasks, 0) >= u.max_tasks
               OR k.max_tasks > 0 AND coalesce(rk.tasks, 0) >= k.max_tasks
        FROM users u
        JOIN api_keys k ON k.id = lines.key_id
        LEFT JOIN running_tasks ru ON ru.kind = 'user' AND ru.id = lines.user_id
        LEFT JOIN running_tasks rk ON rk.kind = 'key' AND rk.id = lines.key_id
        WHERE u.id = lines.user_id)
    WHERE user_id = NEW.user_id;
END;

CREATE TRIGGER count_ended_task AFTER DELETE ON unfinished_tasks
WHEN OLD.stage <> 'submit'
BEGIN
    INSERT INTO running_tasks (kind, id, tasks)
    SELECT 'user', OLD.user_id, -1 WHERE OLD.user_id IS NOT NULL
    ON CONFLICT (kind, id) DO UPDATE SET tasks = tasks - 1;
    INSERT INTO running_tasks (kind, id, tasks)
    SELECT 'key', OLD.key_id, -1 WHERE OLD.key_id IS NOT NULL
    ON CONFLICT (kind, id) DO UPDATE SET tasks = tasks - 1;
    INSERT INTO running_tasks (kind, id, tasks)
    SELECT 'channel', OLD.channel_id, -1 WHERE OLD.channel_id IS NOT NULL
    ON CONFLICT (kind, id) DO UPDATE SET tasks = tasks - 1;
    UPDATE lines SET running = (SELECT tasks FROM running_tasks WHERE kind = 'user' AND id = OLD.user_id),
        is_full = (
        SELECT u.max_tasks > 0 AND coalesce(ru.tasks, 0) >= u.max_tasks
               OR k.max_tasks > 0 AND coalesce(rk.tasks, 0) >= k.max_tasks
        FROM users u
        JOIN api_keys k ON k.id = lines.key_id
        LEFT JOIN running_tasks ru ON ru.kind = 'user' AND ru.id = lines.user_id
        LEFT JOIN running_tasks rk ON rk.kind = 'key' AND rk.id = lines.key_id
        WHERE u.id = lines.user_id)
    WHERE user_id = OLD.user_id;
END;

CREATE TRIGGER count_given_up_task AFTER DELETE ON unfinished_tasks
WHEN OLD.stage = 'submit'
BEGIN
    UPDATE lines SET waiting = waiting - 1,
        oldest = (SELECT min(t.id) FROM unfinished_tasks t WHERE t.line = lines.id AND t.stage = 'submit')
    WHERE id = OLD.line;
END;
