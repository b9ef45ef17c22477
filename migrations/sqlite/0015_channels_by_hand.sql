-- How many tasks are being sent or are at the upstream at once, at most; 0: the ceiling is learnt.
ALTER TABLE channels ADD COLUMN max_tasks INTEGER NOT NULL DEFAULT 0 CHECK (max_tasks >= 0);
-- How many submits a minute at most; 0: no limit.
ALTER TABLE channels ADD COLUMN submits_per_minute INTEGER NOT NULL DEFAULT 0 CHECK (submits_per_minute >= 0);
-- How many fetches a second at most; NULL: the platform's default; 0: no limit.
ALTER TABLE channels ADD COLUMN polls_per_second INTEGER CHECK (polls_per_second >= 0);
-- The actions that the channel serves, separated by commas; NULL: song and lyrics.
ALTER TABLE channels ADD COLUMN actions TEXT;
-- Until when nothing new is sent: Unix milliseconds.
ALTER TABLE channels ADD COLUMN paused_until INTEGER NOT NULL DEFAULT 0;
-- A deleted channel is listed nowhere and gets nothing; its tasks and its figures stay.
ALTER TABLE channels ADD COLUMN deleted INTEGER NOT NULL DEFAULT FALSE CHECK (deleted IN (0, 1));
-- Whether a submit was accepted at this base URL: before that, a 404 speaks of the URL and not of the request.
ALTER TABLE channels ADD COLUMN proven INTEGER NOT NULL DEFAULT FALSE CHECK (proven IN (0, 1));
-- As cool_until and cool_count, which hold for submits, for fetches.
ALTER TABLE channels ADD COLUMN poll_cool_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channels ADD COLUMN poll_cool_count INTEGER NOT NULL DEFAULT 0;
-- What was last wrong with the channel, without its secrets, and when: Unix milliseconds.
ALTER TABLE channels ADD COLUMN trouble TEXT NOT NULL DEFAULT '';
ALTER TABLE channels ADD COLUMN trouble_at INTEGER NOT NULL DEFAULT 0;

UPDATE channels SET proven = used_quota > 0;
