-- How many tasks of the key run at once at most; 0: no limit. And how many requests a second each API process
-- takes with it (`rate`); NULL: as many as `API_RATE_LIMIT` says; 0: no limit.
ALTER TABLE api_keys ADD COLUMN max_tasks INTEGER NOT NULL DEFAULT 0 CHECK (max_tasks >= 0);
ALTER TABLE api_keys ADD COLUMN rate      INTEGER CHECK (rate >= 0);
