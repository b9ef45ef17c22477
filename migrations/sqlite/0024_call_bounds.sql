-- How many fetches a second a channel gets (`shared/src/task/looks/bound.rs`). Times are Unix milliseconds.

-- What the bound was lowered to, in thousandths of a call a second, and when; 0: it was not lowered.
ALTER TABLE channel_flow ADD COLUMN calls_lowered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channel_flow ADD COLUMN calls_lowered_at INTEGER NOT NULL DEFAULT 0;
-- How often in a row it was lowered.
ALTER TABLE channel_flow ADD COLUMN calls_refusals INTEGER NOT NULL DEFAULT 0;
-- When the next call is on time.
ALTER TABLE channel_flow ADD COLUMN calls_next_at INTEGER NOT NULL DEFAULT 0;
