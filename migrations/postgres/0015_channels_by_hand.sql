ALTER TABLE channels
    -- How many tasks are being sent or are at the upstream at once, at most; 0: the ceiling is learnt.
    ADD COLUMN max_tasks BIGINT NOT NULL DEFAULT 0 CHECK (max_tasks >= 0),
    -- How many submits a minute at most; 0: no limit.
    ADD COLUMN submits_per_minute BIGINT NOT NULL DEFAULT 0 CHECK (submits_per_minute >= 0),
    -- How many fetches a second at most; NULL: the platform's default; 0: no limit.
    ADD COLUMN polls_per_second BIGINT CHECK (polls_per_second >= 0),
    -- The actions that the channel serves, separated by commas; NULL: song and lyrics.
    ADD COLUMN actions TEXT,
    -- Until when nothing new is sent: Unix milliseconds.
    ADD COLUMN paused_until BIGINT NOT NULL DEFAULT 0,
    -- A deleted channel is listed nowhere and gets nothing; its tasks and its figures stay.
    ADD COLUMN deleted BOOLEAN NOT NULL DEFAULT FALSE,
    -- Whether a submit was accepted at this base URL: before that, a 404 speaks of the URL and not of the request.
    ADD COLUMN proven BOOLEAN NOT NULL DEFAULT FALSE,
    -- As cool_until and cool_count, which hold for submits, for fetches.
    ADD COLUMN poll_cool_until BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN poll_cool_count BIGINT NOT NULL DEFAULT 0,
    -- What was last wrong with the channel, without its secrets, and when: Unix milliseconds.
    ADD COLUMN trouble TEXT NOT NULL DEFAULT '',
    ADD COLUMN trouble_at BIGINT NOT NULL DEFAULT 0;

UPDATE channels SET proven = used_quota > 0;
