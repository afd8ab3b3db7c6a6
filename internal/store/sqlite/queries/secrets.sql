-- name: ListSecrets :many
SELECT * FROM secret ORDER BY name;

-- name: GetSecret :one
SELECT * FROM secret WHERE name = ?;

-- name: PutSecret :exec
INSERT INTO secret (name, sealed, key, created, updated) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, key = excluded.key, updated = excluded.updated;

-- name: DeleteSecret :execrows
DELETE FROM secret WHERE name = ?;
