-- How many fetches a second a channel gets, over all workers together (`shared/src/task/looks/bound.rs`). Times are Unix
-- milliseconds.
ALTER TABLE channel_flow
    -- How many calls a second in thousandths were refused last (0: none ever were), to how many that lowered the bound,
    -- and when.
    ADD COLUMN calls_refused    BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN calls_lowered    BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN calls_refused_at BIGINT NOT NULL DEFAULT 0,
    -- When the next call is on time.
    ADD COLUMN calls_next_at    BIGINT NOT NULL DEFAULT 0;
