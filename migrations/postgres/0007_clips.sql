-- The clips of the tasks that there are. A migration of its own: `0006_clips_table.sql` locks `tasks`, and this
-- one takes a while where there are many tasks.
CREATE FUNCTION pg_temp.clip_ids(data TEXT) RETURNS SETOF TEXT LANGUAGE plpgsql AS $$
BEGIN
    -- json and not jsonb, and without the escape that no text of Postgres can hold.
    RETURN QUERY
    SELECT clip ->> 'id'
    FROM json_array_elements(replace(data, '\u0000', '')::JSON) AS clip
    WHERE json_typeof(clip) = 'object';
EXCEPTION WHEN OTHERS THEN
    -- Postgres does not read this result as JSON: for example, it holds half of a surrogate pair.
    RETURN QUERY
    SELECT found.groups[1]
    FROM regexp_matches(data, '"id"\s*:\s*"([^"\\]+)"', 'g') AS found (groups);
END
$$;

INSERT INTO clips (user_id, clip_id, task)
SELECT t.user_id, clip_id, t.id
FROM tasks t
CROSS JOIN LATERAL pg_temp.clip_ids(t.data) AS clip_id
WHERE t.data LIKE '[%' AND octet_length(clip_id) BETWEEN 1 AND 255
ORDER BY t.id
ON CONFLICT DO NOTHING;

DROP FUNCTION pg_temp.clip_ids;
