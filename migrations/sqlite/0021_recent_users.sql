-- JSON: the last two users whose submits ended well, and the last two whose submits ended badly, each with the time.
ALTER TABLE channel_flow ADD COLUMN recent_users TEXT NOT NULL DEFAULT '{}';
