-- Level 3 counts finished tasks, too: how many there are of a status, or in all, is a few rows.
INSERT INTO task_counts (scope, level, block, channel_id, platform, action, status, tasks,
                         first_submit, last_submit)
SELECT 0, 3, 0, channel_id, platform, action, status, sum(tasks), min(first_submit),
       max(last_submit)
FROM task_counts
WHERE scope = 0 AND level = 2 AND status IN ('SUCCESS', 'FAILURE')
GROUP BY channel_id, platform, action, status;
