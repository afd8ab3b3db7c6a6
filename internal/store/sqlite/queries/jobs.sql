-- name: AddJob :exec
INSERT INTO job (id, kind, state, tenant, user, attempts, completed, total, created, started, ended)
VALUES (?, ?, 'queued', ?, ?, 0, 0, 0, ?, 0, 0);

-- name: AddJobContent :exec
INSERT INTO job_content (id, title, args, status, result, error) VALUES (?, ?, ?, '', '', '');

-- name: GetJob :one
SELECT j.seq, j.id, j.kind, j.state, j.tenant, j.user, j.attempts, j.completed, j.total, j.created, j.started, j.ended, c.title, c.args, c.status, c.result, c.error
FROM job j JOIN job_content c ON c.id = j.id
WHERE j.id = ?;

-- name: ListJobs :many
SELECT j.seq, j.id, j.kind, j.state, j.tenant, j.user, j.attempts, j.completed, j.total, j.created, j.started, j.ended, c.title, c.args, c.status, c.result, c.error
FROM job j JOIN job_content c ON c.id = j.id
WHERE (cast(sqlc.arg(kind) AS TEXT) = '' OR j.kind = cast(sqlc.arg(kind) AS TEXT))
  AND (cast(sqlc.arg(state) AS TEXT) = '' OR j.state = cast(sqlc.arg(state) AS TEXT))
ORDER BY j.seq DESC LIMIT sqlc.arg(most);

-- name: ListOpenJobs :many
SELECT id, state FROM job WHERE state IN ('queued', 'running') ORDER BY seq;

-- name: StartJob :execrows
UPDATE job SET state = 'running', attempts = attempts + 1, started = ? WHERE id = ? AND state = 'queued';

-- name: RequeueJob :execrows
UPDATE job SET state = 'queued', lost = 0 WHERE id = ? AND state = 'running';

-- name: LoseJob :execrows
UPDATE job SET state = 'queued', lost = lost + 1 WHERE id = sqlc.arg(id) AND state = 'running' AND lost + 1 < cast(sqlc.arg(most) AS INTEGER);

-- name: EndJob :execrows
UPDATE job SET state = ?, ended = ? WHERE id = ? AND state IN ('queued', 'running');

-- name: SetJobOutcome :exec
UPDATE job_content SET result = ?, error = ? WHERE id = ?;

-- name: SetJobProgress :execrows
UPDATE job SET completed = ?, total = ? WHERE id = ? AND state = 'running';

-- name: SetJobStatus :exec
UPDATE job_content SET status = ? WHERE id = ?;

-- name: AddJobEvent :exec
INSERT INTO job_event_content (job, seq, kind, body, created)
SELECT j.id, (SELECT coalesce(max(e.seq), 0) + 1 FROM job_event_content e WHERE e.job = j.id), sqlc.arg(kind), sqlc.arg(body), sqlc.arg(created)
FROM job j WHERE j.id = sqlc.arg(job);

-- name: ListJobEvents :many
SELECT seq, kind, body, created FROM job_event_content WHERE job = sqlc.arg(job) AND seq > sqlc.arg(after) ORDER BY seq LIMIT sqlc.arg(most);


-- name: ExpireJobs :execrows
DELETE FROM job WHERE id IN (SELECT j.id FROM job j WHERE j.ended > 0 AND j.ended < sqlc.arg(since) ORDER BY j.ended LIMIT sqlc.arg(most));

-- name: ExpireJobProgress :execrows
DELETE FROM job_event_content WHERE (job, seq) IN (
  SELECT e.job, e.seq FROM job_event_content e
  WHERE e.kind = 'progress' AND e.created < sqlc.arg(since) AND e.seq < (SELECT max(n.seq) FROM job_event_content n WHERE n.job = e.job)
  ORDER BY e.created LIMIT sqlc.arg(most));
