-- Every unfinished task knows its user, its key and its line, and until when it is to be sent (`send_by`).
-- `last_heard`: what an upstream said last of the task, in words for its user; NULL: nothing.
ALTER TABLE unfinished_tasks
    ADD COLUMN user_id    BIGINT,
    ADD COLUMN key_id     BIGINT,
    ADD COLUMN line       BIGINT,
    ADD COLUMN send_by    BIGINT,
    ADD COLUMN last_heard TEXT;

-- A BEFORE trigger: programs of the version before insert tasks, too, and know nothing of lines. The user's row is
-- locked by whoever submits, so two submits do not make the same line at once.
CREATE FUNCTION find_line() RETURNS TRIGGER LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off AS $$
DECLARE
    of_task RECORD;
    only_at BIGINT := coalesce(NEW.pinned_channel, 0);
    runs BIGINT;
BEGIN
    SELECT t.user_id, t.key_id, t.platform, t.action INTO of_task FROM tasks t WHERE t.id = NEW.id;
    NEW.user_id := of_task.user_id;
    NEW.key_id := of_task.key_id;
    NEW.send_by := coalesce(NEW.send_by, NEW.deadline);
    SELECT l.id INTO NEW.line FROM lines l
    WHERE l.user_id = of_task.user_id AND l.key_id = of_task.key_id AND l.platform = of_task.platform
      AND l.action = of_task.action AND l.only_channel = only_at;
    IF NOT FOUND THEN
        -- The counters exist before the first claim, which locks them.
        INSERT INTO running_tasks (kind, id, tasks)
        VALUES ('key', of_task.key_id, 0), ('user', of_task.user_id, 0)
        ON CONFLICT DO NOTHING;
        SELECT r.tasks INTO runs FROM running_tasks r
        WHERE r.kind = 'user' AND r.id = of_task.user_id
        FOR NO KEY UPDATE;
        INSERT INTO lines (user_id, key_id, platform, action, only_channel, running)
        VALUES (of_task.user_id, of_task.key_id, of_task.platform, of_task.action, only_at, runs)
        RETURNING id INTO NEW.line;
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION count_new_tasks() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_flow(array_agg(n.line), array_agg(n.user_id), array_agg(n.key_id), array_agg(n.channel_id),
                       array_agg((n.stage <> 'submit')::INT::BIGINT), array_agg((n.stage = 'submit')::INT::BIGINT))
    FROM new_tasks n
    HAVING count(*) > 0;
    RETURN NULL;
END
$$;

CREATE FUNCTION count_moved_tasks() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    -- A poll, and an upstream that accepts, move no task into a line or out of one.
    IF NOT EXISTS (SELECT 1 FROM new_tasks n WHERE n.stage <> 'poll') THEN
        RETURN NULL;
    END IF;
    PERFORM count_flow(array_agg(n.line), array_agg(n.user_id), array_agg(n.key_id),
                       array_agg(CASE WHEN o.stage = 'submit' THEN n.channel_id ELSE o.channel_id END),
                       array_agg(CASE WHEN o.stage = 'submit' THEN 1 ELSE -1 END::BIGINT),
                       array_agg(CASE WHEN o.stage = 'submit' THEN -1 ELSE 1 END::BIGINT))
    FROM new_tasks n
    JOIN old_tasks o ON o.id = n.id
    WHERE (o.stage = 'submit') <> (n.stage = 'submit')
    HAVING count(*) > 0;
    RETURN NULL;
END
$$;

CREATE FUNCTION count_gone_tasks() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_flow(array_agg(o.line), array_agg(o.user_id), array_agg(o.key_id), array_agg(o.channel_id),
                       array_agg(-(o.stage <> 'submit')::INT::BIGINT), array_agg(-(o.stage = 'submit')::INT::BIGINT))
    FROM old_tasks o
    HAVING count(*) > 0;
    RETURN NULL;
END
$$;

-- What there is already.
INSERT INTO lines (user_id, key_id, platform, action, only_channel, waiting, oldest)
SELECT t.user_id, t.key_id, t.platform, t.action, coalesce(n.pinned_channel, 0),
       count(*) FILTER (WHERE n.stage = 'submit'), min(n.id) FILTER (WHERE n.stage = 'submit')
FROM unfinished_tasks n
JOIN tasks t ON t.id = n.id
GROUP BY 1, 2, 3, 4, 5;

UPDATE unfinished_tasks n
SET user_id = t.user_id, key_id = t.key_id, send_by = n.deadline, line = l.id
FROM tasks t
JOIN lines l ON l.user_id = t.user_id AND l.key_id = t.key_id AND l.platform = t.platform AND l.action = t.action
WHERE t.id = n.id AND l.only_channel = coalesce(n.pinned_channel, 0);

INSERT INTO running_tasks (kind, id, tasks)
SELECT 'user', user_id, count(*) FILTER (WHERE stage <> 'submit') FROM unfinished_tasks GROUP BY user_id
UNION ALL
SELECT 'key', key_id, count(*) FILTER (WHERE stage <> 'submit') FROM unfinished_tasks GROUP BY key_id
UNION ALL
SELECT 'channel', channel_id, count(*) FROM unfinished_tasks WHERE stage <> 'submit' GROUP BY channel_id;

UPDATE lines l SET running = r.tasks FROM running_tasks r WHERE r.kind = 'user' AND r.id = l.user_id;

-- With (id + 0), the planner takes no other index for the first tasks of a line.
CREATE INDEX unfinished_tasks_line ON unfinished_tasks (line, (id + 0)) WHERE stage = 'submit';

CREATE TRIGGER find_line BEFORE INSERT ON unfinished_tasks
FOR EACH ROW EXECUTE FUNCTION find_line();

CREATE TRIGGER count_new_tasks AFTER INSERT ON unfinished_tasks
REFERENCING NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION count_new_tasks();

CREATE TRIGGER count_moved_tasks AFTER UPDATE ON unfinished_tasks
REFERENCING OLD TABLE AS old_tasks NEW TABLE AS new_tasks
FOR EACH STATEMENT EXECUTE FUNCTION count_moved_tasks();

CREATE TRIGGER count_gone_tasks AFTER DELETE ON unfinished_tasks
REFERENCING OLD TABLE AS old_tasks FOR EACH STATEMENT EXECUTE FUNCTION count_gone_tasks();

-- The next tasks of the lines that the channels of each route can take: of each line the first task that is due,
-- the lines of each route in the order of their turns. A route is a platform, an action, and the only channel or 0.
CREATE FUNCTION next_lines(platforms TEXT[], actions TEXT[], channels BIGINT[], moment BIGINT, most BIGINT)
RETURNS TABLE (line BIGINT, user_id BIGINT, key_id BIGINT, platform TEXT, action TEXT, only_channel BIGINT,
               running BIGINT, user_left BIGINT, key_left BIGINT, waiting BIGINT,
               id BIGINT, turn BIGINT, attempts BIGINT, last_channel BIGINT)
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off SET enable_sort = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT l.id, l.user_id, l.key_id, l.platform, l.action, l.only_channel, l.running,
           CASE WHEN u.max_tasks > 0 THEN u.max_tasks - l.running END,
           CASE WHEN k.max_tasks > 0
                THEN k.max_tasks - coalesce((SELECT r.tasks FROM running_tasks r
                                             WHERE r.kind = 'key' AND r.id = l.key_id), 0) END,
           l.waiting, l.first, l.turn, l.attempts, l.channel_id
    FROM unnest(platforms, actions, channels) AS route (platform, action, only_channel)
    CROSS JOIN LATERAL (
        SELECT a.*, f.id AS first, f.turn, f.attempts, f.channel_id
        FROM lines a
        CROSS JOIN LATERAL (
            SELECT t.id, t.turn, t.attempts, t.channel_id
            FROM unfinished_tasks t
            WHERE t.line = a.id AND t.stage = 'submit' AND t.due_at <= moment
            ORDER BY (t.id + 0)
            LIMIT 1
        ) AS f
        WHERE a.platform = route.platform AND a.action = route.action AND a.only_channel = route.only_channel
          AND a.waiting > 0 AND NOT a.is_full
        ORDER BY a.running, a.oldest
        LIMIT most
    ) AS l
    JOIN users u ON u.id = l.user_id
    JOIN api_keys k ON k.id = l.key_id;
END
$$;

-- The first tasks of each line that are due: as many as `counts` says.
CREATE FUNCTION first_in_lines(of_lines BIGINT[], counts BIGINT[], moment BIGINT)
RETURNS TABLE (line BIGINT, id BIGINT, turn BIGINT, attempts BIGINT, last_channel BIGINT)
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off SET enable_sort = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT x.line, f.id, f.turn, f.attempts, f.channel_id
    FROM unnest(of_lines, counts) AS x (line, n)
    CROSS JOIN LATERAL (
        SELECT t.id, t.turn, t.attempts, t.channel_id
        FROM unfinished_tasks t
        WHERE t.line = x.line AND t.stage = 'submit' AND t.due_at <= moment
        ORDER BY (t.id + 0)
        LIMIT x.n
    ) AS f;
END
$$;
