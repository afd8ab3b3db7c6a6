-- +goose Up
CREATE TABLE model_file (
    path     TEXT    NOT NULL PRIMARY KEY,
    size     INTEGER NOT NULL CHECK (size >= 0),
    mod_time INTEGER NOT NULL, -- nanoseconds since 1970, UTC
    rules    INTEGER NOT NULL,
    sha256   TEXT    NOT NULL,
    head     TEXT    NOT NULL,
    manifest TEXT    NOT NULL,
    error    TEXT    NOT NULL
) STRICT;

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
