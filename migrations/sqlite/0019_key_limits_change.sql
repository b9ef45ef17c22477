-- A changed limit counts at once.
CREATE TRIGGER key_limit_changed AFTER UPDATE OF max_tasks ON api_keys
WHEN OLD.max_tasks <> NEW.max_tasks
BEGIN
    UPDATE lines SET is_full = (
        SELECT u.max_tasks > 0 AND coalesce(ru.tasks, 0) >= u.max_tasks
               OR k.max_tasks > 0 AND coalesce(rk.tasks, 0) >= k.max_tasks
        FROM users u
        JOIN api_keys k ON k.id = lines.key_id
        LEFT JOIN running_tasks ru ON ru.kind = 'user' AND ru.id = lines.user_id
        LEFT JOIN running_tasks rk ON rk.kind = 'key' AND rk.id = lines.key_id
        WHERE u.id = lines.user_id)
    WHERE user_id = NEW.user_id;
END;
