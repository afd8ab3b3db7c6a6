-- name: ListQuotas :many
SELECT * FROM quota_limit ORDER BY kind, subject, model, unit, span;

-- name: PutQuota :one
INSERT INTO quota_limit (id, kind, subject, model, unit, span, bound, created, updated)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, subject, model, unit, span) DO UPDATE SET bound = excluded.bound, updated = excluded.updated
RETURNING *;

-- name: DeleteQuota :execrows
DELETE FROM quota_limit WHERE id = ?;

-- name: DeleteQuotasOf :exec
DELETE FROM quota_limit WHERE kind = ? AND subject = ?;

-- name: DeleteQuotasOfKeys :exec
DELETE FROM quota_limit WHERE kind = 'key' AND subject IN (SELECT id FROM api_key WHERE account_id = ?);

-- name: AddQuotaUse :exec
INSERT INTO quota_use (kind, subject, model, span, start, requests, prompt, completion)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, subject, model, span, start) DO UPDATE SET
    requests = quota_use.requests + excluded.requests,
    prompt = quota_use.prompt + excluded.prompt,
    completion = quota_use.completion + excluded.completion;

-- name: ListQuotaUse :many
SELECT * FROM quota_use
WHERE span = sqlc.arg(span) AND start >= sqlc.arg(since)
  AND (cast(sqlc.arg(kind) AS TEXT) = '' OR kind = cast(sqlc.arg(kind) AS TEXT))
  AND (cast(sqlc.arg(subject) AS TEXT) = '' OR subject = cast(sqlc.arg(subject) AS TEXT))
ORDER BY start, kind, subject, model;

-- name: ForgetQuotaUse :execrows
DELETE FROM quota_use WHERE span = ? AND start < ?;

-- name: DeleteQuotaUseOf :exec
DELETE FROM quota_use WHERE kind = ? AND subject = ?;

-- name: DeleteQuotaUseOfKeys :exec
DELETE FROM quota_use WHERE kind = 'key' AND subject IN (SELECT id FROM api_key WHERE account_id = ?);
