-- +goose Up
-- Accounts, their groups, keys and sessions. Times are nanoseconds since 1970, UTC; 0 is none. What opens the server is
-- kept as a hash: Argon2id for passwords, SHA-256 for the random 256 bits of keys and sessions.
CREATE TABLE account_group (
    id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name    TEXT COLLATE "C" NOT NULL,
    folded  TEXT COLLATE "C" NOT NULL UNIQUE, -- the name in lower case
    created BIGINT NOT NULL
);

CREATE TABLE account (
    id        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name      TEXT COLLATE "C" NOT NULL,
    folded    TEXT COLLATE "C" NOT NULL UNIQUE, -- the name in lower case
    email     TEXT COLLATE "C" NOT NULL,
    role      TEXT COLLATE "C" NOT NULL,
    grants    TEXT COLLATE "C" NOT NULL, -- scopes beyond the role's, comma-separated
    group_id  TEXT COLLATE "C" NOT NULL, -- or empty: a tenant of its own
    password  TEXT COLLATE "C" NOT NULL, -- PHC form, or empty
    subject   TEXT COLLATE "C" NOT NULL, -- of an identity provider, or empty
    disabled  BIGINT NOT NULL CHECK (disabled IN (0, 1)),
    created   BIGINT NOT NULL,
    updated   BIGINT NOT NULL,
    logged_in BIGINT NOT NULL
);

CREATE UNIQUE INDEX account_subject ON account (subject) WHERE subject <> '';
CREATE INDEX account_group_members ON account (group_id) WHERE group_id <> '';

CREATE TABLE api_key (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    hash       TEXT COLLATE "C" NOT NULL UNIQUE,
    hint       TEXT COLLATE "C" NOT NULL,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name       TEXT COLLATE "C" NOT NULL,
    scopes     TEXT COLLATE "C" NOT NULL, -- comma-separated
    models     TEXT COLLATE "C" NOT NULL, -- separated by spaces; empty: all
    created    BIGINT NOT NULL,
    expires    BIGINT NOT NULL,
    used       BIGINT NOT NULL,
    revoked    BIGINT NOT NULL
);

CREATE INDEX api_key_account ON api_key (account_id);

CREATE TABLE login_session (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    hash       TEXT COLLATE "C" NOT NULL UNIQUE,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    device     TEXT COLLATE "C" NOT NULL,
    address    TEXT COLLATE "C" NOT NULL,
    created    BIGINT NOT NULL,
    expires    BIGINT NOT NULL,
    used       BIGINT NOT NULL
);

CREATE INDEX login_session_account ON login_session (account_id);
CREATE INDEX login_session_expires ON login_session (expires);
