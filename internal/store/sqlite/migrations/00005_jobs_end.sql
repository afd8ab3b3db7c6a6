-- +goose Up
-- A job that takes the server with it each time it runs is given up, and what has ended does not stay for ever.
ALTER TABLE job ADD COLUMN lost INTEGER NOT NULL DEFAULT 0; -- how often in a row the server was killed while it ran

CREATE INDEX job_ended ON job (ended) WHERE ended > 0;
CREATE INDEX job_event_progress ON job_event_content (created) WHERE kind = 'progress';
