-- name: ListQuotas :many
SELECT * FROM quota_limit ORDER BY kind, subject, model, unit, span;

-- name: PutQuota :one
INSERT INTO quota_limit (id, kind, subject, model, unit, span, bound, created, updated)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (kind, subject, model, unit, span) DO UPDATE SET bound = excluded.bound, updated = excluded.updated
RETURNING *;

-- name: DeleteQuota :execrows
DELETE FROM quota_limit WHERE id = $1;

-- name: DeleteQuotasOf :exec
DELETE FROM quota_limit WHERE kind = $1 AND subject = $2;

-- name: DeleteQuotasOfKeys :exec
DELETE FROM quota_limit WHERE kind = 'key' AND subject IN (SELECT id FROM api_key WHERE account_id = $1);

-- name: AddQuotaUse :exec
INSERT INTO quota_use (kind, subject, model, span, start, requests, prompt, completion)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (kind, subject, model, span, start) DO UPDATE SET
    requests = quota_use.requests + excluded.requests,
    prompt = quota_use.prompt + excluded.prompt,
    completion = quota_use.completion + excluded.completion;

-- name: ListQuotaUse :many
SELECT * FROM quota_use
WHERE span = sqlc.arg(span) AND start >= sqlc.arg(since)
  AND (sqlc.arg(kind)::text = '' OR kind = sqlc.arg(kind)::text)
  AND (sqlc.arg(subject)::text = '' OR subject = sqlc.arg(subject)::text)
ORDER BY start, kind, subject, model;

-- name: ForgetQuotaUse :execrows
DELETE FROM quota_use WHERE span = $1 AND start < $2;

-- name: DeleteQuotaUseOf :exec
DELETE FROM quota_use WHERE kind = $1 AND subject = $2;

-- name: DeleteQuotaUseOfKeys :exec
DELETE FROM quota_use WHERE kind = 'key' AND subject IN (SELECT id FROM api_key WHERE account_id = $1);
