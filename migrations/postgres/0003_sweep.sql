-- Every poll moves `due_at`, and an index of it costs each of them more than it saves the sweep, which
-- looks through all of this narrow table in some milliseconds for a hundred thousand tasks.
DROP INDEX unfinished_tasks_due;
