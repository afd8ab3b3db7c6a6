-- +goose Up
-- Limits that admins set, and what was used, by whom, of which model. Times are nanoseconds since 1970, UTC.
CREATE TABLE quota_limit (
    id      TEXT    NOT NULL PRIMARY KEY,
    kind    TEXT    NOT NULL CHECK (kind IN ('user', 'group', 'key', 'model')),
    subject TEXT    NOT NULL, -- an id, a model's name, or * for each that has none of its own
    model   TEXT    NOT NULL, -- or empty: all
    unit    TEXT    NOT NULL CHECK (unit IN ('tokens', 'requests', 'concurrent', 'weight')),
    span    TEXT    NOT NULL CHECK (span IN ('', 'minute', 'day', 'month')),
    bound   INTEGER NOT NULL CHECK (bound >= 0),
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    UNIQUE (kind, subject, model, unit, span)
) STRICT;

CREATE TABLE quota_use (
    kind       TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    model      TEXT    NOT NULL, -- or empty: all together
    span       TEXT    NOT NULL CHECK (span IN ('minute', 'day')),
    start      INTEGER NOT NULL,
    requests   INTEGER NOT NULL,
    prompt     INTEGER NOT NULL, -- tokens
    completion INTEGER NOT NULL, -- likewise
    PRIMARY KEY (kind, subject, model, span, start)
) STRICT, WITHOUT ROWID;

CREATE INDEX quota_use_start ON quota_use (span, start);
