-- The only user that the channel cools down for; 0: it cools down for everybody. For submits only: requests of one
-- user that always fail do not close a channel for the others.
ALTER TABLE channels ADD COLUMN cool_user BIGINT NOT NULL DEFAULT 0;
