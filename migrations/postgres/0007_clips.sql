-- The clips of the tasks that there are. A migration of its own: `0006_clients.sql` locks tables, and this
-- one takes a while where there are many tasks.
DO $$
DECLARE
    done BIGINT := 0;
    last BIGINT;
BEGIN
    LOOP
        SELECT max(id) INTO last
        FROM (SELECT id FROM tasks WHERE id > done ORDER BY id LIMIT 1000) AS next;
        EXIT WHEN last IS NULL;
        BEGIN
            -- json, not jsonb, and without the escape that no text of Postgres can hold.
            INSERT INTO clips (user_id, clip_id, task)
            SELECT t.user_id, clip ->> 'id', t.id
            FROM tasks t
            CROSS JOIN LATERAL (SELECT replace(t.data, '\u0000', '')::JSON AS data OFFSET 0) AS result
            CROSS JOIN LATERAL json_array_elements(
                CASE json_typeof(result.data) WHEN 'array' THEN result.data ELSE '[]' END) AS clip
            WHERE t.id > done AND t.id <= last AND t.data LIKE '[%'
              AND json_typeof(clip) = 'object' AND length(clip ->> 'id') BETWEEN 1 AND 255
            ORDER BY t.id
            ON CONFLICT DO NOTHING;
        EXCEPTION WHEN OTHERS THEN
            -- A result that Postgres does not read as JSON, for example for half of a surrogate pair.
            INSERT INTO clips (user_id, clip_id, task)
            SELECT t.user_id, matched.groups[1], t.id
            FROM tasks t
            CROSS JOIN LATERAL
                regexp_matches(t.data, '"id"\s*:\s*"([^"\\]{1,255})"', 'g') AS matched (groups)
            WHERE t.id > done AND t.id <= last AND t.data LIKE '[%'
            ORDER BY t.id
            ON CONFLICT DO NOTHING;
        END;
        done := last;
    END LOOP;
END
$$;
