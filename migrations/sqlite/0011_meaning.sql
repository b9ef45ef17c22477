-- The digest of `request` and of what the request means: its action and its body's JSON without regard to order,
-- spacing and escapes. NULL: a program of the version before stored the key.
ALTER TABLE idempotency_keys ADD COLUMN meaning BLOB;
