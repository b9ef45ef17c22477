-- One submit as a program without batches would write it. pgbench runs this script; the bench defines `first_user`,
-- `first_key` and `last`, the number of the last user.
\set n random(0, :last)
\set user :first_user + :n
\set key :first_key + :n
\set task random(1, 9000000000000000000)
SELECT u.id, u.enabled, u.quota, k.id, k.enabled, k.quota_limit, k.used_quota
FROM api_keys k JOIN users u ON u.id = k.user_id
WHERE k.digest = sha256(('bench-key-' || :key)::bytea);
BEGIN;
SELECT (SELECT quota FROM prices WHERE platform = 'suno' AND action = 'song'),
       EXISTS (SELECT 1 FROM channels WHERE enabled AND platform = 'suno');
UPDATE users SET quota = quota - 150000, used_quota = used_quota + 150000, tasks = tasks + 1
WHERE id = :user AND quota >= 150000;
UPDATE api_keys SET used_quota = used_quota + 150000
WHERE id = :key AND (quota_limit IS NULL OR used_quota + 150000 <= quota_limit);
WITH task AS (
    INSERT INTO tasks (task_id, user_id, key_id, platform, action, status, progress, quota, created_at,
                       updated_at, submit_time, request, input, user_seq)
    VALUES ('task_' || lpad(:task::text, 32, '0'), :user, :key, 'suno', 'song', 'NOT_START', 0, 150000,
            1760000000, 1760000000, 1760000000,
            '{"title":"Rain","tags":"folk, acoustic","prompt":"[Verse]\nRain on a tin roof"}',
            'Rain on a tin roof', (SELECT tasks FROM users WHERE id = :user))
    RETURNING id
), unfinished AS (
    INSERT INTO unfinished_tasks (id, due_at, deadline, stage)
    SELECT id, 1760000000000, 1760001800000, 'submit' FROM task
), entry AS (
    INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
    SELECT :user, :key, id, 'charge', -150000, 1760000000000 FROM task
)
INSERT INTO task_events (task_id, at, turn, kind, detail)
SELECT id, 1760000000000, 0, 'stored', 'charged 150000' FROM task;
COMMIT;
