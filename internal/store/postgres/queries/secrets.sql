-- name: ListSecrets :many
SELECT * FROM secret ORDER BY name;

-- name: GetSecret :one
SELECT * FROM secret WHERE name = $1;

-- name: PutSecret :exec
INSERT INTO secret (name, sealed, key, created, updated) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, key = excluded.key, updated = excluded.updated;

-- name: DeleteSecret :execrows
DELETE FROM secret WHERE name = $1;
