-- The clips of the tasks that there are.
INSERT OR IGNORE INTO clips (user_id, clip_id, task)
SELECT user_id, id, task
FROM (
    SELECT t.user_id, t.id AS task,
           CASE clip.type WHEN 'object' THEN CAST(clip.value ->> 'id' AS TEXT) END AS id
    FROM tasks t
    JOIN json_each(CASE WHEN json_valid(t.data) THEN t.data ELSE '[]' END) AS clip
    WHERE t.data LIKE '[%'
)
WHERE octet_length(id) BETWEEN 1 AND 255
ORDER BY task;
