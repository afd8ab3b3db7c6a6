-- name: LastAuditRow :one
SELECT * FROM audit_row ORDER BY seq DESC LIMIT 1;

-- name: AddAuditRow :exec
INSERT INTO audit_row (seq, created, act, tenant, account_id, key_id, session_id, action, kind, object, remote, request, status, detail, hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: ListAuditRows :many
SELECT * FROM audit_row WHERE seq > sqlc.arg(after) ORDER BY seq LIMIT sqlc.arg(most);

-- name: ListAuditActs :many
SELECT a.seq, a.created, a.act,
       CAST(coalesce(e.tenant, a.tenant) AS TEXT) AS tenant, CAST(coalesce(e.account_id, a.account_id) AS TEXT) AS account_id,
       a.key_id, a.session_id, a.action, a.kind, CAST(coalesce(e.object, a.object) AS TEXT) AS object, a.remote, a.request,
       CAST(coalesce(e.status, a.status) AS INTEGER) AS status, CAST(coalesce(e.detail, a.detail) AS TEXT) AS detail, a.hash,
       CAST(coalesce(e.created, 0) AS INTEGER) AS ended
FROM audit_row a LEFT JOIN audit_row e ON e.act = a.seq AND e.act <> 0
WHERE a.act = 0
  AND (CAST(sqlc.arg(before) AS INTEGER) = 0 OR a.seq < CAST(sqlc.arg(before) AS INTEGER))
  AND (CAST(sqlc.arg(account) AS TEXT) = '' OR coalesce(e.account_id, a.account_id) = CAST(sqlc.arg(account) AS TEXT))
  AND (CAST(sqlc.arg(part) AS TEXT) = '' OR instr(lower(a.action), CAST(sqlc.arg(part) AS TEXT)) > 0)
  AND (CAST(sqlc.arg(kind) AS TEXT) = '' OR a.kind = CAST(sqlc.arg(kind) AS TEXT))
  AND (CAST(sqlc.arg(object) AS TEXT) = '' OR coalesce(e.object, a.object) = CAST(sqlc.arg(object) AS TEXT))
  AND coalesce(e.status, a.status) >= CAST(sqlc.arg(least) AS INTEGER) AND coalesce(e.status, a.status) < CAST(sqlc.arg(below) AS INTEGER)
  AND a.created >= CAST(sqlc.arg(since) AS INTEGER) AND a.created < CAST(sqlc.arg(until) AS INTEGER)
ORDER BY a.seq DESC LIMIT CAST(sqlc.arg(most) AS INTEGER);

-- name: PutAuditCheckpoint :exec
INSERT INTO audit_checkpoint (seq, hash, created, key, signature) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (seq) DO UPDATE SET hash = excluded.hash, created = excluded.created, key = excluded.key, signature = excluded.signature;

-- name: ListAuditCheckpoints :many
SELECT * FROM audit_checkpoint WHERE seq > sqlc.arg(after) ORDER BY seq LIMIT sqlc.arg(most);

-- name: LockAudit :exec
UPDATE audit_checkpoint SET seq = seq WHERE seq < 0;
