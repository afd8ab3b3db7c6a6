-- name: AddAccount :exec
INSERT INTO account (id, name, folded, email, role, grants, group_id, password, subject, disabled, created, updated, logged_in)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: AnyAccount :one
SELECT count(*) FROM (SELECT id FROM account LIMIT 1) a;

-- name: GetAccount :one
SELECT * FROM account WHERE id = ?;

-- name: AccountByName :one
SELECT * FROM account WHERE folded = ?;

-- name: AccountBySubject :one
SELECT * FROM account WHERE subject = ? AND subject <> '';

-- name: ListAccounts :many
SELECT * FROM account ORDER BY folded;

-- name: UpdateAccount :execrows
UPDATE account
SET name = ?, folded = ?, email = ?, role = ?, grants = ?, group_id = ?, password = ?, subject = ?, disabled = ?, updated = ?
WHERE id = ?;

-- name: DeleteAccount :execrows
DELETE FROM account WHERE id = ?;

-- name: CountRole :one
SELECT count(*) FROM account WHERE role = ? AND disabled = 0;

-- name: MoveStored :exec
UPDATE stored SET tenant = ? WHERE user = ?;

-- name: DeleteStoredOfUser :exec
DELETE FROM stored WHERE user = ?;

-- name: NoteLogin :execrows
UPDATE account SET logged_in = ? WHERE id = ?;

-- name: AddGroup :exec
INSERT INTO account_group (id, name, folded, created) VALUES (?, ?, ?, ?);

-- name: GetGroup :one
SELECT * FROM account_group WHERE id = ?;

-- name: GroupByName :one
SELECT * FROM account_group WHERE folded = ?;

-- name: ListGroups :many
SELECT * FROM account_group ORDER BY folded;

-- name: RenameGroup :execrows
UPDATE account_group SET name = ?, folded = ? WHERE id = ?;

-- name: CountMembers :one
SELECT count(*) FROM account WHERE group_id = ?;

-- name: DeleteGroup :execrows
DELETE FROM account_group WHERE id = ?;

-- name: AddKey :exec
INSERT INTO api_key (id, hash, hint, account_id, name, scopes, models, created, expires, used, revoked)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: KeyByHash :one
SELECT sqlc.embed(k), sqlc.embed(a) FROM api_key k JOIN account a ON a.id = k.account_id
WHERE k.hash = sqlc.arg(hash) OR k.before_hash <> '' AND k.before_hash = sqlc.arg(hash);

-- name: GetKey :one
SELECT * FROM api_key WHERE id = ?;

-- name: ListKeys :many
SELECT * FROM api_key
WHERE (cast(sqlc.arg(account) AS TEXT) = '' OR account_id = cast(sqlc.arg(account) AS TEXT))
  AND (revoked = 0 OR cast(sqlc.arg(ended) AS INTEGER) = 1)
ORDER BY created, id;

-- name: RevokeKey :execrows
UPDATE api_key SET revoked = ? WHERE id = ? AND revoked = 0;

-- name: RenewKey :execrows
UPDATE api_key SET before_hash = hash, before_until = ?, hash = ?, hint = ? WHERE id = ? AND revoked = 0;

-- name: TouchKey :exec
UPDATE api_key SET used = ? WHERE id = ?;

-- name: AddSession :exec
INSERT INTO login_session (id, hash, account_id, device, address, created, expires, used)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: SessionByHash :one
SELECT sqlc.embed(s), sqlc.embed(a) FROM login_session s JOIN account a ON a.id = s.account_id WHERE s.hash = ?;

-- name: ListSessions :many
SELECT * FROM login_session
WHERE (cast(sqlc.arg(account) AS TEXT) = '' OR account_id = cast(sqlc.arg(account) AS TEXT))
ORDER BY created DESC, id;

-- name: DeleteSession :execrows
DELETE FROM login_session
WHERE id = sqlc.arg(id) AND (cast(sqlc.arg(account) AS TEXT) = '' OR account_id = cast(sqlc.arg(account) AS TEXT));

-- name: DeleteSessions :exec
DELETE FROM login_session WHERE account_id = ? AND id <> ?;

-- name: TouchSession :exec
UPDATE login_session SET used = ? WHERE id = ?;

-- name: ExpireSessions :execrows
DELETE FROM login_session WHERE expires < ?;

-- name: AdoptStored :exec
UPDATE stored SET tenant = sqlc.arg(tenant), user = sqlc.arg(owner) WHERE tenant = sqlc.arg(old_tenant) AND user = sqlc.arg(old_owner);
