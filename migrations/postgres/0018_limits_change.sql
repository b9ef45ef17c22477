-- A changed limit counts at once.
CREATE FUNCTION user_limit_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_lines(NEW.id);
    RETURN NULL;
END
$$;

CREATE TRIGGER user_limit_changed AFTER UPDATE OF max_tasks ON users
FOR EACH ROW WHEN (OLD.max_tasks <> NEW.max_tasks) EXECUTE FUNCTION user_limit_changed();
