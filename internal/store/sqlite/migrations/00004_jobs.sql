-- +goose Up
-- Jobs outlive the process that runs them: this is their record, and the queue's own tables are made anew from it at the start.
CREATE TABLE job (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT, -- the order in which they were made
    id        TEXT    NOT NULL UNIQUE,
    kind      TEXT    NOT NULL,
    state     TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    tenant    TEXT    NOT NULL,
    user      TEXT    NOT NULL,
    attempts  INTEGER NOT NULL,
    completed INTEGER NOT NULL, -- of the work, in the kind's unit
    total     INTEGER NOT NULL, -- 0: unknown
    created   INTEGER NOT NULL, -- nanoseconds since 1970, UTC
    started   INTEGER NOT NULL, -- of the last attempt; 0: not yet
    ended     INTEGER NOT NULL  -- 0: not yet
) STRICT;

CREATE INDEX job_state ON job (state, seq);

CREATE TABLE job_content (
    id     TEXT NOT NULL PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
    title  TEXT NOT NULL, -- what it does, for people
    args   TEXT NOT NULL, -- JSON
    status TEXT NOT NULL, -- what it is at, for people
    result TEXT NOT NULL, -- JSON, or empty
    error  TEXT NOT NULL  -- JSON, or empty
) STRICT;

CREATE TABLE job_event_content (
    job     TEXT    NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    seq     INTEGER NOT NULL, -- from 1
    kind    TEXT    NOT NULL CHECK (kind IN ('state', 'progress', 'log')),
    body    TEXT    NOT NULL, -- JSON
    created INTEGER NOT NULL,
    PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;
