-- What runs, who waits, and what is known of a channel: so that limits hold over all workers together, and so
-- that the next task is chosen at the same cost with ten tasks waiting or a hundred thousand.
--
-- All that write these tables lock their rows in one order: `running_tasks` by kind and id, `channel_flow` by
-- channel, `lines` by id; and the user before them, if they write the user's row at all.

-- How many tasks of a user, of a key and at a channel are being sent or are at the upstream. Triggers on
-- `unfinished_tasks` keep these numbers, so that programs of the version before count, too. The audit proves them.
CREATE TABLE running_tasks (
    kind  TEXT   NOT NULL CHECK (kind IN ('user', 'key', 'channel')),
    id    BIGINT NOT NULL,
    tasks BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.02);

-- A line: the waiting tasks of one key that the same channels can take. The oldest task of a line is sent first.
CREATE TABLE lines (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      BIGINT  NOT NULL,
    key_id       BIGINT  NOT NULL,
    platform     TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    -- The only channel that can take these tasks; 0: any can.
    only_channel BIGINT  NOT NULL,
    -- How many tasks wait, and the id of the first; NULL: none waits.
    waiting      BIGINT  NOT NULL DEFAULT 0,
    oldest       BIGINT,
    -- How many tasks of the user run.
    running      BIGINT  NOT NULL DEFAULT 0,
    -- Whether the user or the key has as many running tasks as it may have.
    is_full      BOOLEAN NOT NULL DEFAULT FALSE,
    UNIQUE (user_id, key_id, platform, action, only_channel)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

-- Whose turn is next: the user with the fewest running tasks, then the oldest task.
CREATE INDEX lines_next ON lines (platform, action, only_channel, running, oldest)
WHERE waiting > 0 AND NOT is_full;

-- What workers learn about a channel together. Times are Unix milliseconds.
CREATE TABLE channel_flow (
    channel_id     BIGINT PRIMARY KEY,
    -- The ceiling: how many tasks the channel takes at once; 0: nothing was learnt yet. `shared/src/task/ceiling.rs`
    -- says what the columns mean.
    ceiling        BIGINT NOT NULL DEFAULT 0,
    held_until     BIGINT NOT NULL DEFAULT 0,
    refusals       BIGINT NOT NULL DEFAULT 0,
    former         BIGINT NOT NULL DEFAULT 0,
    -- Until when one task above the ceiling is being tried.
    trying_until   BIGINT NOT NULL DEFAULT 0,
    -- Until when one task is being sent to find out whether the channel is well again.
    probing_until  BIGINT NOT NULL DEFAULT 0,
    -- When the next submit is on time, by `submits_per_minute`: Unix microseconds.
    next_submit_at BIGINT NOT NULL DEFAULT 0,
    -- How many submits of late ended well and badly, in thousandths, as of `recent_at`.
    recent_good    BIGINT NOT NULL DEFAULT 0,
    recent_bad     BIGINT NOT NULL DEFAULT 0,
    recent_at      BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

-- Adds `runs` to what runs of each user, key and channel, and `waits` to what waits in each line. The arrays have one
-- element for each task.
CREATE FUNCTION count_flow(of_lines BIGINT[], of_users BIGINT[], of_keys BIGINT[], of_channels BIGINT[],
                           runs BIGINT[], waits BIGINT[])
RETURNS VOID LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off AS $$
DECLARE
    touched BIGINT[];
BEGIN
    INSERT INTO running_tasks AS r (kind, id, tasks)
    SELECT moved.kind, moved.id, sum(moved.n)::BIGINT
    FROM (SELECT 'user' AS kind, id, n FROM unnest(of_users, runs) AS x (id, n)
          UNION ALL SELECT 'key', id, n FROM unnest(of_keys, runs) AS x (id, n)
          UNION ALL SELECT 'channel', id, n FROM unnest(of_channels, runs) AS x (id, n)) AS moved
    WHERE moved.id IS NOT NULL
    GROUP BY moved.kind, moved.id
    HAVING sum(moved.n) <> 0
    ORDER BY moved.kind, moved.id
    ON CONFLICT (kind, id) DO UPDATE SET tasks = r.tasks + excluded.tasks;

    SELECT array_agg(locked.id) INTO touched
    FROM (SELECT l.id FROM lines l
          WHERE l.id IN (SELECT unnest(of_lines)
                         UNION
                         SELECT of_user.id FROM unnest(of_users, runs) AS x (user_id, n)
                         JOIN lines of_user ON of_user.user_id = x.user_id
                         WHERE x.n <> 0)
          ORDER BY l.id
          FOR NO KEY UPDATE) AS locked;

    UPDATE lines l
    SET waiting = l.waiting + moved.n,
        oldest = CASE WHEN moved.n = 0 THEN l.oldest
                      ELSE (SELECT t.id FROM unfinished_tasks t
                            WHERE t.line = l.id AND t.stage = 'submit'
                            ORDER BY (t.id + 0)
                            LIMIT 1) END,
        running = moved.running,
        is_full = u.max_tasks > 0 AND moved.running >= u.max_tasks
                  OR k.max_tasks > 0 AND moved.running_of_key >= k.max_tasks
    FROM (SELECT a.id,
                 (SELECT coalesce(sum(x.n), 0)::BIGINT FROM unnest(of_lines, waits) AS x (line, n)
                  WHERE x.line = a.id) AS n,
                 coalesce((SELECT r.tasks FROM running_tasks r
                           WHERE r.kind = 'user' AND r.id = a.user_id), 0) AS running,
                 coalesce((SELECT r.tasks FROM running_tasks r
                           WHERE r.kind = 'key' AND r.id = a.key_id), 0) AS running_of_key
          FROM lines a
          WHERE a.id = ANY (touched)) AS moved,
         users u, api_keys k
    WHERE l.id = moved.id AND u.id = l.user_id AND k.id = l.key_id;
END
$$;

-- Writes anew whether the lines of a user are full: after a change of a limit.
CREATE FUNCTION refresh_lines(of_user BIGINT) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM running_tasks r WHERE r.kind = 'user' AND r.id = of_user FOR NO KEY UPDATE;
    PERFORM 1 FROM lines l WHERE l.user_id = of_user ORDER BY l.id FOR NO KEY UPDATE;
    UPDATE lines l
    SET is_full = u.max_tasks > 0 AND l.running >= u.max_tasks
                  OR k.max_tasks > 0
                     AND coalesce((SELECT r.tasks FROM running_tasks r
                                   WHERE r.kind = 'key' AND r.id = l.key_id), 0) >= k.max_tasks
    FROM users u, api_keys k
    WHERE l.user_id = of_user AND u.id = l.user_id AND k.id = l.key_id;
END
$$;
