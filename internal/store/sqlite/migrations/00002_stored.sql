-- +goose Up

-- Stored chats, responses and conversations. What people and models wrote stands only in tables whose names end in
-- _content.
CREATE TABLE stored (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT, -- the order in which they were made
    id      TEXT    NOT NULL UNIQUE,
    kind    TEXT    NOT NULL CHECK (kind IN ('chat', 'response', 'conversation')),
    state   TEXT    NOT NULL CHECK (state IN ('running', 'done', 'lost')),
    tenant  TEXT    NOT NULL,
    user    TEXT    NOT NULL,
    model   TEXT    NOT NULL,
    parent  TEXT    NOT NULL, -- id of the response that this one continues, or empty
    logged  INTEGER NOT NULL CHECK (logged IN (0, 1)),
    created INTEGER NOT NULL, -- nanoseconds since 1970, UTC
    updated INTEGER NOT NULL  -- likewise
) STRICT;

CREATE INDEX stored_owner ON stored (tenant, user, kind, seq);
CREATE INDEX stored_parent ON stored (parent) WHERE parent <> '';
CREATE INDEX stored_updated ON stored (updated);
CREATE INDEX stored_running ON stored (state) WHERE state = 'running';

CREATE TABLE stored_content (
    id       TEXT NOT NULL PRIMARY KEY REFERENCES stored (id) ON DELETE CASCADE,
    metadata TEXT NOT NULL, -- a JSON object of strings
    body     TEXT NOT NULL  -- JSON
) STRICT;

CREATE TABLE stored_item_content (
    object TEXT    NOT NULL REFERENCES stored (id) ON DELETE CASCADE,
    seq    INTEGER NOT NULL,
    id     TEXT    NOT NULL,
    output INTEGER NOT NULL CHECK (output IN (0, 1)), -- 1: the model made it
    body   TEXT    NOT NULL, -- JSON
    PRIMARY KEY (object, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX stored_item_id ON stored_item_content (id);

CREATE TABLE stored_event_content (
    object TEXT    NOT NULL REFERENCES stored (id) ON DELETE CASCADE,
    seq    INTEGER NOT NULL,
    body   TEXT    NOT NULL, -- JSON
    PRIMARY KEY (object, seq)
) STRICT, WITHOUT ROWID;
