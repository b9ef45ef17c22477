-- How long the tasks of a channel took of late, by action: what polls go by. `learnt` is JSON
-- (`shared/src/task/looks/durations.rs`).
CREATE TABLE durations (
    channel_id BIGINT NOT NULL,
    action     TEXT   NOT NULL,
    learnt     TEXT   NOT NULL,
    PRIMARY KEY (channel_id, action)
) WITH (fillfactor = 20);
