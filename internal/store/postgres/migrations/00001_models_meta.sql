-- +goose Up
-- Text is compared byte by byte, as SQLite does it: an order must not depend on a machine's language.
CREATE TABLE model_file (
    path     TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    size     BIGINT NOT NULL CHECK (size >= 0),
    mod_time BIGINT NOT NULL, -- nanoseconds since 1970, UTC
    rules    BIGINT NOT NULL,
    sha256   TEXT   COLLATE "C" NOT NULL,
    head     TEXT   COLLATE "C" NOT NULL,
    manifest TEXT   COLLATE "C" NOT NULL,
    error    TEXT   COLLATE "C" NOT NULL
);

CREATE TABLE meta (
    key   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);
