-- name: GetModelFile :one
SELECT path, size, mod_time, rules, sha256, head, manifest, error FROM model_file WHERE path = ?;

-- name: ListModelFiles :many
SELECT path, size, mod_time, rules, sha256, head, manifest, error FROM model_file ORDER BY path;

-- name: PutModelFile :exec
INSERT INTO model_file (path, size, mod_time, rules, sha256, head, manifest, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (path) DO UPDATE SET
    size = excluded.size,
    mod_time = excluded.mod_time,
    rules = excluded.rules,
    sha256 = excluded.sha256,
    head = excluded.head,
    manifest = excluded.manifest,
    error = excluded.error;

-- name: DeleteModelFile :exec
DELETE FROM model_file WHERE path = ?;
