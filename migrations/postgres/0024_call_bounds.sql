-- How many fetches a second a channel gets, over all workers together (`shared/src/task/looks/bound.rs`). Times are Unix
-- milliseconds.
ALTER TABLE channel_flow
    -- What the bound was lowered to, in thousandths of a call a second, and when; 0: it was not lowered.
    ADD COLUMN calls_lowered    BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN calls_lowered_at BIGINT NOT NULL DEFAULT 0,
    -- How often in a row it was lowered.
    ADD COLUMN calls_refusals   BIGINT NOT NULL DEFAULT 0,
    -- When the next call is on time.
    ADD COLUMN calls_next_at    BIGINT NOT NULL DEFAULT 0;
