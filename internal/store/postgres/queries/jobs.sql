-- name: AddJob :exec
INSERT INTO job (id, kind, state, tenant, "user", attempts, completed, total, created, started, ended)
VALUES ($1, $2, 'queued', $3, $4, 0, 0, 0, $5, 0, 0);

-- name: AddJobContent :exec
INSERT INTO job_content (id, title, args, status, result, error) VALUES ($1, $2, $3, '', '', '');

-- name: GetJob :one
SELECT j.seq, j.id, j.kind, j.state, j.tenant, j."user", j.attempts, j.completed, j.total, j.created, j.started, j.ended, c.title, c.args, c.status, c.result, c.error
FROM job j JOIN job_content c ON c.id = j.id
WHERE j.id = $1;

-- name: ListJobs :many
SELECT j.seq, j.id, j.kind, j.state, j.tenant, j."user", j.attempts, j.completed, j.total, j.created, j.started, j.ended, c.title, c.args, c.status, c.result, c.error
FROM job j JOIN job_content c ON c.id = j.id
WHERE (sqlc.arg(kind)::text = '' OR j.kind = sqlc.arg(kind)::text)
  AND (sqlc.arg(state)::text = '' OR j.state = sqlc.arg(state)::text)
ORDER BY j.seq DESC LIMIT sqlc.arg(most)::bigint;

-- name: ListOpenJobs :many
SELECT id, state FROM job WHERE state IN ('queued', 'running') ORDER BY seq;

-- name: StartJob :execrows
UPDATE job SET state = 'running', attempts = attempts + 1, started = $1 WHERE id = $2 AND state = 'queued';

-- name: RequeueJob :execrows
UPDATE job SET state = 'queued', lost = 0 WHERE id = $1 AND state = 'running';

-- name: LoseJob :execrows
UPDATE job SET state = 'queued', lost = lost + 1 WHERE id = sqlc.arg(id) AND state = 'running' AND lost + 1 < sqlc.arg(most)::bigint;

-- name: EndJob :execrows
UPDATE job SET state = $1, ended = $2 WHERE id = $3 AND state IN ('queued', 'running');

-- name: SetJobOutcome :exec
UPDATE job_content SET result = $1, error = $2 WHERE id = $3;

-- name: SetJobProgress :execrows
UPDATE job SET completed = $1, total = $2 WHERE id = $3 AND state = 'running';

-- name: SetJobStatus :exec
UPDATE job_content SET status = $1 WHERE id = $2;

-- name: AddJobEvent :exec
INSERT INTO job_event_content (job, seq, kind, body, created)
SELECT j.id, (SELECT coalesce(max(e.seq), 0) + 1 FROM job_event_content e WHERE e.job = j.id), sqlc.arg(kind)::text, sqlc.arg(body)::text, sqlc.arg(created)::bigint
FROM job j WHERE j.id = sqlc.arg(job);

-- name: ListJobEvents :many
SELECT seq, kind, body, created FROM job_event_content WHERE job = sqlc.arg(job) AND seq > sqlc.arg(after) ORDER BY seq LIMIT sqlc.arg(most)::bigint;


-- name: ExpireJobs :execrows
DELETE FROM job WHERE id IN (SELECT j.id FROM job j WHERE j.ended > 0 AND j.ended < sqlc.arg(since) ORDER BY j.ended LIMIT sqlc.arg(most)::bigint);

-- name: ExpireJobProgress :execrows
DELETE FROM job_event_content WHERE (job, seq) IN (
  SELECT e.job, e.seq FROM job_event_content e
  WHERE e.kind = 'progress' AND e.created < sqlc.arg(since) AND e.seq < (SELECT max(n.seq) FROM job_event_content n WHERE n.job = e.job)
  ORDER BY e.created LIMIT sqlc.arg(most)::bigint);
