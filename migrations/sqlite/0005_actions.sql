-- Which actions there are is a matter of each platform, which the program knows: a new platform needs no
-- new constraint.
--
-- SQLite cannot drop a constraint. To make the table anew would copy every task, and hold up all who
-- write meanwhile. But a CHECK is only text in the schema, which SQLite's documentation of ALTER TABLE
-- ("Making Other Kinds Of Table Schema Changes") allows to be edited in place: no row, index or trigger
-- changes.
PRAGMA writable_schema = ON;

UPDATE sqlite_schema
SET sql = replace(sql, ' CHECK (action IN (''song'', ''lyrics''))', '')
WHERE type = 'table' AND name = 'tasks';

-- Reads the schema anew, here and now.
PRAGMA writable_schema = RESET;

-- Any change of the schema makes other connections read it anew.
CREATE TABLE schema_was_edited (id INTEGER);
DROP TABLE schema_was_edited;
