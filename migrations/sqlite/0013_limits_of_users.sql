-- How many tasks of the user run at once at most (`max_tasks`), and how many may wait to be sent (`max_waiting`).
-- 0: no limit.
ALTER TABLE users ADD COLUMN max_tasks   INTEGER NOT NULL DEFAULT 0 CHECK (max_tasks >= 0);
ALTER TABLE users ADD COLUMN max_waiting INTEGER NOT NULL DEFAULT 0 CHECK (max_waiting >= 0);
