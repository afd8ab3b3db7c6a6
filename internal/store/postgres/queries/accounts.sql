-- name: AddAccount :exec
INSERT INTO account (id, name, folded, email, role, grants, group_id, password, subject, disabled, created, updated, logged_in)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- name: AnyAccount :one
SELECT count(*) FROM (SELECT id FROM account LIMIT 1) a;

-- name: GetAccount :one
SELECT * FROM account WHERE id = $1;

-- name: AccountByName :one
SELECT * FROM account WHERE folded = $1;

-- name: AccountBySubject :one
SELECT * FROM account WHERE subject = $1 AND subject <> '';

-- name: ListAccounts :many
SELECT * FROM account ORDER BY folded;

-- name: UpdateAccount :execrows
UPDATE account
SET name = $1, folded = $2, email = $3, role = $4, grants = $5, group_id = $6, password = $7, subject = $8, disabled = $9, updated = $10
WHERE id = $11;

-- name: DeleteAccount :execrows
DELETE FROM account WHERE id = $1;

-- name: CountRole :one
SELECT count(*) FROM account WHERE role = $1 AND disabled = 0;

-- name: MoveStored :exec
UPDATE stored SET tenant = $1 WHERE "user" = $2;

-- name: DeleteStoredOfUser :exec
DELETE FROM stored WHERE "user" = $1;

-- name: NoteLogin :execrows
UPDATE account SET logged_in = $1 WHERE id = $2;

-- name: AddGroup :exec
INSERT INTO account_group (id, name, folded, created) VALUES ($1, $2, $3, $4);

-- name: GetGroup :one
SELECT * FROM account_group WHERE id = $1;

-- name: GroupByName :one
SELECT * FROM account_group WHERE folded = $1;

-- name: ListGroups :many
SELECT * FROM account_group ORDER BY folded;

-- name: RenameGroup :execrows
UPDATE account_group SET name = $1, folded = $2 WHERE id = $3;

-- name: CountMembers :one
SELECT count(*) FROM account WHERE group_id = $1;

-- name: DeleteGroup :execrows
DELETE FROM account_group WHERE id = $1;

-- name: AddKey :exec
INSERT INTO api_key (id, hash, hint, account_id, name, scopes, models, created, expires, used, revoked)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: KeyByHash :one
SELECT sqlc.embed(k), sqlc.embed(a) FROM api_key k JOIN account a ON a.id = k.account_id
WHERE k.hash = sqlc.arg(hash) OR k.before_hash <> '' AND k.before_hash = sqlc.arg(hash);

-- name: GetKey :one
SELECT * FROM api_key WHERE id = $1;

-- name: ListKeys :many
SELECT * FROM api_key
WHERE (sqlc.arg(account)::text = '' OR account_id = sqlc.arg(account)::text)
  AND (revoked = 0 OR sqlc.arg(ended)::bigint = 1)
ORDER BY created, id;

-- name: RevokeKey :execrows
UPDATE api_key SET revoked = $1 WHERE id = $2 AND revoked = 0;

-- name: RenewKey :execrows
UPDATE api_key SET before_hash = hash, before_until = $1, hash = $2, hint = $3 WHERE id = $4 AND revoked = 0;

-- name: TouchKey :exec
UPDATE api_key SET used = $1 WHERE id = $2;

-- name: AddSession :exec
INSERT INTO login_session (id, hash, account_id, device, address, created, expires, used)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: SessionByHash :one
SELECT sqlc.embed(s), sqlc.embed(a) FROM login_session s JOIN account a ON a.id = s.account_id WHERE s.hash = $1;

-- name: ListSessions :many
SELECT * FROM login_session
WHERE (sqlc.arg(account)::text = '' OR account_id = sqlc.arg(account)::text)
ORDER BY created DESC, id;

-- name: DeleteSession :execrows
DELETE FROM login_session
WHERE id = sqlc.arg(id) AND (sqlc.arg(account)::text = '' OR account_id = sqlc.arg(account)::text);

-- name: DeleteSessions :exec
DELETE FROM login_session WHERE account_id = $1 AND id <> $2;

-- name: TouchSession :exec
UPDATE login_session SET used = $1 WHERE id = $2;

-- name: ExpireSessions :execrows
DELETE FROM login_session WHERE expires < $1;

-- name: AdoptStored :exec
UPDATE stored SET tenant = sqlc.arg(tenant), "user" = sqlc.arg(owner) WHERE tenant = sqlc.arg(old_tenant) AND "user" = sqlc.arg(old_owner);
