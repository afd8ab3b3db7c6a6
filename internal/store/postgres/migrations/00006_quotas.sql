-- +goose Up
-- Limits that admins set, and what was used, by whom, of which model. Times are nanoseconds since 1970, UTC.
CREATE TABLE quota_limit (
    id      TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    kind    TEXT   COLLATE "C" NOT NULL CHECK (kind IN ('user', 'group', 'key', 'model')),
    subject TEXT   COLLATE "C" NOT NULL, -- an id, a model's name, or * for each that has none of its own
    model   TEXT   COLLATE "C" NOT NULL, -- or empty: all
    unit    TEXT   COLLATE "C" NOT NULL CHECK (unit IN ('tokens', 'requests', 'concurrent', 'weight')),
    span    TEXT   COLLATE "C" NOT NULL CHECK (span IN ('', 'minute', 'day', 'month')),
    bound   BIGINT NOT NULL CHECK (bound >= 0),
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    UNIQUE (kind, subject, model, unit, span)
);

CREATE TABLE quota_use (
    kind       TEXT   COLLATE "C" NOT NULL,
    subject    TEXT   COLLATE "C" NOT NULL,
    model      TEXT   COLLATE "C" NOT NULL, -- or empty: all together
    span       TEXT   COLLATE "C" NOT NULL CHECK (span IN ('minute', 'day')),
    start      BIGINT NOT NULL,
    requests   BIGINT NOT NULL,
    prompt     BIGINT NOT NULL, -- tokens
    completion BIGINT NOT NULL, -- likewise
    PRIMARY KEY (kind, subject, model, span, start)
);

CREATE INDEX quota_use_start ON quota_use (span, start);
