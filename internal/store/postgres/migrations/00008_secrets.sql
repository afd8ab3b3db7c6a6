-- +goose Up

-- Credentials of the server, sealed by its key: nothing here opens without that.
CREATE TABLE secret (
    name    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sealed  TEXT COLLATE "C" NOT NULL,
    key     TEXT COLLATE "C" NOT NULL, -- id of the server's key that sealed it
    created BIGINT NOT NULL, -- nanoseconds since 1970, UTC
    updated BIGINT NOT NULL
);
