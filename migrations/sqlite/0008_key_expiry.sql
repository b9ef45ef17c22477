-- From when on an API key is refused; NULL: never.
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;
