-- +goose Up

-- Credentials of the server, sealed by its key: nothing here opens without that.
CREATE TABLE secret (
    name    TEXT    NOT NULL PRIMARY KEY,
    sealed  TEXT    NOT NULL,
    key     TEXT    NOT NULL, -- id of the server's key that sealed it
    created INTEGER NOT NULL, -- nanoseconds since 1970, UTC
    updated INTEGER NOT NULL
) STRICT;
