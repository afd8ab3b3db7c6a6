-- +goose Up

-- The chain of acts: each row holds the hash of itself and the one before. Rows are added and never changed. They name people
-- and objects by id and hold nothing that anybody wrote.
CREATE TABLE audit_row (
    seq        BIGINT NOT NULL PRIMARY KEY,
    created    BIGINT NOT NULL, -- nanoseconds since 1970, UTC
    act        BIGINT NOT NULL, -- the row whose outcome this is; 0: this row is an act
    tenant     TEXT COLLATE "C" NOT NULL,
    account_id TEXT COLLATE "C" NOT NULL,
    key_id     TEXT COLLATE "C" NOT NULL,
    session_id TEXT COLLATE "C" NOT NULL,
    action     TEXT COLLATE "C" NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL,
    object     TEXT COLLATE "C" NOT NULL,
    remote     TEXT COLLATE "C" NOT NULL,
    request    TEXT COLLATE "C" NOT NULL,
    status     BIGINT NOT NULL, -- 0: not told by this row
    detail     TEXT COLLATE "C" NOT NULL,
    hash       TEXT COLLATE "C" NOT NULL
);

CREATE UNIQUE INDEX audit_row_act ON audit_row (act) WHERE act <> 0;

CREATE TABLE audit_checkpoint (
    seq       BIGINT NOT NULL PRIMARY KEY,
    hash      TEXT COLLATE "C" NOT NULL,
    created   BIGINT NOT NULL,
    key       TEXT COLLATE "C" NOT NULL, -- public, hex
    signature TEXT COLLATE "C" NOT NULL
);

-- What a defect of the program could do is refused here; who may write the tables themselves is found out by the chain.
-- +goose StatementBegin
CREATE FUNCTION audit_row_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a row of the audit is never changed or removed';
END;
$$;
-- +goose StatementEnd

CREATE TRIGGER audit_row_stays BEFORE UPDATE OR DELETE ON audit_row FOR EACH ROW EXECUTE FUNCTION audit_row_stays();
