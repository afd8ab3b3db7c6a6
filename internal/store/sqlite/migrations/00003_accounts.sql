-- +goose Up

-- Accounts, their groups, keys and sessions. Times are nanoseconds since 1970, UTC; 0 is none. What opens the server is
-- kept as a hash: Argon2id for passwords, SHA-256 for the random 256 bits of keys and sessions.
CREATE TABLE account_group (
    id      TEXT    NOT NULL PRIMARY KEY,
    name    TEXT    NOT NULL,
    folded  TEXT    NOT NULL UNIQUE, -- the name in lower case
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
    id        TEXT    NOT NULL PRIMARY KEY,
    name      TEXT    NOT NULL,
    folded    TEXT    NOT NULL UNIQUE, -- the name in lower case
    email     TEXT    NOT NULL,
    role      TEXT    NOT NULL,
    grants    TEXT    NOT NULL, -- scopes beyond the role's, comma-separated
    group_id  TEXT    NOT NULL, -- or empty: a tenant of its own
    password  TEXT    NOT NULL, -- PHC form, or empty
    subject   TEXT    NOT NULL, -- of an identity provider, or empty
    disabled  INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created   INTEGER NOT NULL,
    updated   INTEGER NOT NULL,
    logged_in INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX account_subject ON account (subject) WHERE subject <> '';
CREATE INDEX account_group_members ON account (group_id) WHERE group_id <> '';

CREATE TABLE api_key (
    id         TEXT    NOT NULL PRIMARY KEY,
    hash       TEXT    NOT NULL UNIQUE,
    hint       TEXT    NOT NULL,
    account_id TEXT    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name       TEXT    NOT NULL,
    scopes     TEXT    NOT NULL, -- comma-separated
    models     TEXT    NOT NULL, -- separated by spaces; empty: all
    created    INTEGER NOT NULL,
    expires    INTEGER NOT NULL,
    used       INTEGER NOT NULL,
    revoked    INTEGER NOT NULL
) STRICT;

CREATE INDEX api_key_account ON api_key (account_id);

CREATE TABLE login_session (
    id         TEXT    NOT NULL PRIMARY KEY,
    hash       TEXT    NOT NULL UNIQUE,
    account_id TEXT    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    device     TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    created    INTEGER NOT NULL,
    expires    INTEGER NOT NULL,
    used       INTEGER NOT NULL
) STRICT;

CREATE INDEX login_session_account ON login_session (account_id);
CREATE INDEX login_session_expires ON login_session (expires);
