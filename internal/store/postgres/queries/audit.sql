-- name: LastAuditRow :one
SELECT * FROM audit_row ORDER BY seq DESC LIMIT 1;

-- name: AddAuditRow :exec
INSERT INTO audit_row (seq, created, act, tenant, account_id, key_id, session_id, action, kind, object, remote, request, status, detail, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

-- name: ListAuditRows :many
SELECT * FROM audit_row WHERE seq > sqlc.arg(after) ORDER BY seq LIMIT sqlc.arg(most)::bigint;

-- name: ListAuditActs :many
SELECT a.seq, a.created, a.act,
       coalesce(e.tenant, a.tenant)::text AS tenant, coalesce(e.account_id, a.account_id)::text AS account_id,
       a.key_id, a.session_id, a.action, a.kind, coalesce(e.object, a.object)::text AS object, a.remote, a.request,
       coalesce(e.status, a.status)::bigint AS status, coalesce(e.detail, a.detail)::text AS detail, a.hash,
       coalesce(e.created, 0)::bigint AS ended
FROM audit_row a LEFT JOIN audit_row e ON e.act = a.seq AND e.act <> 0
WHERE a.act = 0
  AND (sqlc.arg(before)::bigint = 0 OR a.seq < sqlc.arg(before)::bigint)
  AND (sqlc.arg(account)::text = '' OR coalesce(e.account_id, a.account_id) = sqlc.arg(account)::text)
  AND (sqlc.arg(part)::text = '' OR strpos(lower(a.action), sqlc.arg(part)::text) > 0)
  AND (sqlc.arg(kind)::text = '' OR a.kind = sqlc.arg(kind)::text)
  AND (sqlc.arg(object)::text = '' OR coalesce(e.object, a.object) = sqlc.arg(object)::text)
  AND coalesce(e.status, a.status) >= sqlc.arg(least)::bigint AND coalesce(e.status, a.status) < sqlc.arg(below)::bigint
  AND a.created >= sqlc.arg(since)::bigint AND a.created < sqlc.arg(until)::bigint
ORDER BY a.seq DESC LIMIT sqlc.arg(most)::bigint;

-- name: PutAuditCheckpoint :exec
INSERT INTO audit_checkpoint (seq, hash, created, key, signature) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (seq) DO UPDATE SET hash = excluded.hash, created = excluded.created, key = excluded.key, signature = excluded.signature;

-- name: ListAuditCheckpoints :many
SELECT * FROM audit_checkpoint WHERE seq > sqlc.arg(after) ORDER BY seq LIMIT sqlc.arg(most)::bigint;

-- name: LockAudit :exec
LOCK TABLE audit_row IN EXCLUSIVE MODE;
