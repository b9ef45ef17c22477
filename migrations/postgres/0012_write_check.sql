-- One row that is written to find out whether the database can be written: for `GET /readyz`.
CREATE TABLE write_check (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    at BIGINT NOT NULL
) WITH (fillfactor = 10);
