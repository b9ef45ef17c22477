-- One row that is written to find out whether the database can be written: for `GET /readyz`.
CREATE TABLE write_check (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
) STRICT;
