-- name: GetModelFile :one
SELECT path, size, mod_time, rules, sha256, head, manifest, error FROM model_file WHERE path = $1;

-- name: ListModelFiles :many
SELECT path, size, mod_time, rules, sha256, head, manifest, error FROM model_file ORDER BY path;

-- name: PutModelFile :exec
INSERT INTO model_file (path, size, mod_time, rules, sha256, head, manifest, error)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (path) DO UPDATE SET
    size = excluded.size,
    mod_time = excluded.mod_time,
    rules = excluded.rules,
    sha256 = excluded.sha256,
    head = excluded.head,
    manifest = excluded.manifest,
    error = excluded.error;

-- name: DeleteModelFile :exec
DELETE FROM model_file WHERE path = $1;
