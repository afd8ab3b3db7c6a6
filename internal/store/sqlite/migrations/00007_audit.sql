-- +goose Up

-- The chain of acts: each row holds the hash of itself and the one before. Rows are added and never changed. They name people
-- and objects by id and hold nothing that anybody wrote.
CREATE TABLE audit_row (
    seq        INTEGER NOT NULL PRIMARY KEY,
    created    INTEGER NOT NULL, -- nanoseconds since 1970, UTC
    act        INTEGER NOT NULL, -- the row whose outcome this is; 0: this row is an act
    tenant     TEXT    NOT NULL,
    account_id TEXT    NOT NULL,
    key_id     TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    object     TEXT    NOT NULL,
    remote     TEXT    NOT NULL,
    request    TEXT    NOT NULL,
    status     INTEGER NOT NULL, -- 0: not told by this row
    detail     TEXT    NOT NULL,
    hash       TEXT    NOT NULL
) STRICT;

CREATE UNIQUE INDEX audit_row_act ON audit_row (act) WHERE act <> 0;

CREATE TABLE audit_checkpoint (
    seq       INTEGER NOT NULL PRIMARY KEY,
    hash      TEXT    NOT NULL,
    created   INTEGER NOT NULL,
    key       TEXT    NOT NULL, -- public, hex
    signature TEXT    NOT NULL
) STRICT;

-- What a defect of the program could do is refused here; who may write the file itself is found out by the chain.
-- +goose StatementBegin
CREATE TRIGGER audit_row_stays BEFORE UPDATE ON audit_row BEGIN
    SELECT RAISE(ABORT, 'a row of the audit is never changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_row_remains BEFORE DELETE ON audit_row BEGIN
    SELECT RAISE(ABORT, 'a row of the audit is never removed');
END;
-- +goose StatementEnd
