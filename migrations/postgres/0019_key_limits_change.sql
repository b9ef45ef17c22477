-- A changed limit counts at once. Whoever changes the limit of a key locks its user first.
CREATE FUNCTION key_limit_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_lines(NEW.user_id);
    RETURN NULL;
END
$$;

CREATE TRIGGER key_limit_changed AFTER UPDATE OF max_tasks ON api_keys
FOR EACH ROW WHEN (OLD.max_tasks <> NEW.max_tasks) EXECUTE FUNCTION key_limit_changed();
