-- How many fetches a second a channel gets (`shared/src/task/looks/bound.rs`). Times are Unix milliseconds.

-- How many calls a second in thousandths were refused last (0: none ever were), to how many that lowered the bound, and
-- when.
ALTER TABLE channel_flow ADD COLUMN calls_refused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channel_flow ADD COLUMN calls_lowered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channel_flow ADD COLUMN calls_refused_at INTEGER NOT NULL DEFAULT 0;
-- When the next call is on time.
ALTER TABLE channel_flow ADD COLUMN calls_next_at INTEGER NOT NULL DEFAULT 0;
