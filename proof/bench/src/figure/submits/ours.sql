-- The statements that our API sends for one submit that shares its batch with no other, with the parameters of a song.
-- pgbench runs this script; the bench defines `first_user`, `first_key` and `last`, the number of the last user, and
-- compares the statements with those of a real submit.
\set n random(0, :last)
\set user :first_user + :n
\set key :first_key + :n
\set task random(1, 9000000000000000000)
SELECT k.digest, u.id, u.name, u.role, u.enabled, u.quota, u.used_quota, u.max_tasks, u.max_waiting,
       k.id AS key_id, k.label, k.enabled AS key_enabled, k.quota_limit,
       k.used_quota AS key_used_quota, k.expires_at, k.max_tasks AS key_max_tasks, k.rate
FROM api_keys k
JOIN users u ON u.id = k.user_id
WHERE k.digest = ANY (ARRAY[sha256(('bench-key-' || :key)::bytea)]);
BEGIN;
SELECT asked.n, u.quota AS balance, k.quota_limit - k.used_quota AS key_left, u.max_waiting,
       COALESCE(
           (SELECT m.quota FROM model_prices m
            WHERE m.platform = asked.platform AND m.action = asked.action
              AND m.model = asked.model),
           (SELECT p.quota FROM prices p
            WHERE p.platform = asked.platform AND p.action = asked.action)) AS price,
       EXISTS (
           SELECT 1 FROM channels c
           WHERE c.enabled AND c.platform = asked.platform
             AND (asked.pinned IS NULL OR c.id = asked.pinned)
             AND NOT c.deleted AND asked.action = ANY
                 (string_to_array(COALESCE(c.actions, 'song,lyrics'), ','))
       ) AS has_channel
FROM unnest(ARRAY[:user]::BIGINT[], ARRAY[:key]::BIGINT[], ARRAY['suno']::TEXT[], ARRAY['song']::TEXT[],
            ARRAY[NULL]::BIGINT[], ARRAY['chirp-v3-0']::TEXT[])
     WITH ORDINALITY AS asked (user_id, key_id, platform, action, pinned, model, n)
JOIN users u ON u.id = asked.user_id
JOIN api_keys k ON k.id = asked.key_id
FOR NO KEY UPDATE OF u, k SKIP LOCKED;
WITH asked AS (
    SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY n) AS nth
    FROM unnest(ARRAY[:user]::BIGINT[], ARRAY[:key]::BIGINT[],
                ARRAY['task_' || lpad(:task, 32, '0')]::TEXT[],
                ARRAY['suno']::TEXT[], ARRAY['song']::TEXT[], ARRAY[150000]::BIGINT[],
                ARRAY[-150000]::BIGINT[], ARRAY[150000]::BIGINT[],
                ARRAY['{"title":"Rain","tags":"folk, acoustic","prompt":"[Verse]\nRain on a tin roof"}']::TEXT[],
                ARRAY['Rain on a tin roof']::TEXT[], ARRAY[1760000000000]::BIGINT[],
                ARRAY[1760001800000]::BIGINT[], ARRAY[NULL]::BIGINT[], ARRAY[NULL]::TEXT[], ARRAY[NULL]::BYTEA[],
                ARRAY[NULL]::BYTEA[])
         WITH ORDINALITY AS asked (user_id, key_id, task_id, platform, action, price,
                                   amount, used, request, input, now,
                                   deadline, pinned, once, digest, meaning, n)
), payer AS (
    UPDATE users u
    SET quota = u.quota + due.amount, used_quota = u.used_quota + due.used,
        tasks = u.tasks + due.tasks
    FROM (SELECT user_id, SUM(amount)::BIGINT AS amount, SUM(used)::BIGINT AS used,
                 count(*) AS tasks
          FROM asked GROUP BY user_id) due
    WHERE u.id = due.user_id AND u.quota + due.amount >= 0
    RETURNING u.id, u.tasks - due.tasks AS had
), key AS (
    UPDATE api_keys k
    SET used_quota = k.used_quota + due.used
    FROM (SELECT key_id, SUM(used)::BIGINT AS used FROM asked GROUP BY key_id) due
    WHERE k.id = due.key_id
      AND (k.quota_limit IS NULL OR k.used_quota + due.used <= k.quota_limit)
    RETURNING k.id
), task AS (
    INSERT INTO tasks (task_id, user_id, key_id, platform, action, status, progress, quota,
                       created_at, updated_at, submit_time, request, input, user_seq)
    SELECT asked.task_id, asked.user_id, asked.key_id, asked.platform, asked.action, 'NOT_START', 0,
           asked.price, asked.now / 1000, asked.now / 1000, asked.now / 1000,
           asked.request, asked.input, payer.had + asked.nth
    FROM asked
    JOIN payer ON payer.id = asked.user_id
    JOIN key ON key.id = asked.key_id
    ORDER BY asked.n
    RETURNING id, task_id
), written AS (
    SELECT task.id AS row, asked.* FROM task JOIN asked USING (task_id)
), unfinished AS (
    INSERT INTO unfinished_tasks (id, due_at, deadline, stage, pinned_channel)
    SELECT row, now, deadline, 'submit', pinned FROM written
    ORDER BY user_id, row
), entry AS (
    INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
    SELECT user_id, key_id, row, 'charge', amount, now FROM written
), remembered AS (
    INSERT INTO idempotency_keys (user_id, key, request, meaning, task_id, created_at)
    SELECT user_id, once, digest, meaning, task_id, now FROM written WHERE once IS NOT NULL
    ON CONFLICT (user_id, key) DO UPDATE
    SET request = EXCLUDED.request, meaning = EXCLUDED.meaning,
        task_id = EXCLUDED.task_id, created_at = EXCLUDED.created_at
), noted AS (
    INSERT INTO task_events (task_id, at, turn, kind, detail)
    SELECT row, now, 0, 'stored', format('charged %s', price) FROM written
)
SELECT row FROM written ORDER BY n;
COMMIT;
