-- Whether the upstream takes a request that it got twice, with the same `Idempotency-Key`, for one.
ALTER TABLE channels ADD COLUMN idempotent INTEGER NOT NULL DEFAULT 0;
