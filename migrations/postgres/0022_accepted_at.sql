-- When the upstream accepted the task, by our clock: polls go by the task's age. NULL: it is not there yet, or a program
-- of a version before sent it.
ALTER TABLE unfinished_tasks ADD COLUMN accepted_at BIGINT;
