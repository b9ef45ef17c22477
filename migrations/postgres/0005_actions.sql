-- Which actions there are is a matter of each platform, which the program knows: a new platform needs no
-- new constraint.
ALTER TABLE tasks DROP CONSTRAINT tasks_action_check;
