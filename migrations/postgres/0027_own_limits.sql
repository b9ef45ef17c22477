-- How many tasks the platform says that the channel may have at once; 0: the platform tells no number. The smaller one
-- of this and `max_tasks` holds.
ALTER TABLE channels ADD COLUMN own_max_tasks BIGINT NOT NULL DEFAULT 0 CHECK (own_max_tasks >= 0);
