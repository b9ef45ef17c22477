-- A line of history is written by the statement that changes its task, and tasks are never deleted: to
-- look the task up again, and lock it, for each line was a tenth of what the database does for a poll.
ALTER TABLE task_events DROP CONSTRAINT task_events_task_id_fkey;

-- A song's row grows to five times its length. Where its page has the room, no index has to be written;
-- with 35, eight rows began in a page, and half of them had to leave it.
ALTER TABLE tasks SET (fillfactor = 20);
