-- One submit as a program without batches would write it. The baseline runs these statements one after the other, with
-- the same parameters: ?1 the user, ?2 the key, ?3 the key's digest, ?4 the task's public id, ?5 the request.
SELECT u.id, u.enabled, u.quota, k.id AS key_id, k.enabled AS key_enabled, k.quota_limit, k.used_quota
FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.digest = ?3;
SELECT EXISTS (SELECT 1 FROM channels WHERE platform = 'suno' AND enabled = 1);
SELECT quota FROM prices WHERE platform = 'suno' AND action = 'song';
UPDATE users SET quota = quota - 150000, used_quota = used_quota + 150000, tasks = tasks + 1
WHERE id = ?1 AND quota >= 150000;
UPDATE api_keys SET used_quota = used_quota + 150000
WHERE id = ?2 AND (quota_limit IS NULL OR used_quota + 150000 <= quota_limit);
INSERT INTO tasks (task_id, user_id, key_id, platform, action, status, progress, quota, created_at, updated_at,
                   submit_time, request, input, user_seq)
VALUES (?4, ?1, ?2, 'suno', 'song', 'NOT_START', 0, 150000, 1800000000, 1800000000, 1800000000, ?5, ?5,
        (SELECT tasks FROM users WHERE id = ?1));
INSERT INTO unfinished_tasks (id, turn, due_at, deadline, stage)
VALUES (last_insert_rowid(), 0, 1800000000000, 1800000000000, 'submit');
INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
VALUES (?1, ?2, last_insert_rowid(), 'charge', -150000, 1800000000000);
INSERT INTO task_events (task_id, at, turn, kind, detail)
SELECT max(id), 1800000000000, 0, 'stored', 'charged 150000' FROM tasks;
