-- name: PutStored :exec
INSERT INTO stored (id, kind, state, tenant, "user", model, parent, logged, created, updated)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: PutStoredContent :exec
INSERT INTO stored_content (id, metadata, body) VALUES ($1, $2, $3);

-- name: GetStored :one
SELECT s.id, s.kind, s.state, s.tenant, s."user", s.model, s.parent, s.logged, s.created, s.updated, c.metadata, c.body
FROM stored s JOIN stored_content c ON c.id = s.id
WHERE s.id = $1 AND s.tenant = $2 AND s."user" = $3;

-- name: TouchStored :execrows
UPDATE stored SET updated = $1 WHERE id = $2 AND tenant = $3 AND "user" = $4;

-- name: SetStoredMetadata :exec
UPDATE stored_content SET metadata = $1 WHERE id = $2;

-- name: DeleteStored :execrows
DELETE FROM stored WHERE id = $1 AND tenant = $2 AND "user" = $3;

-- name: FinishStored :exec
UPDATE stored SET state = 'done', updated = $1 WHERE id = $2;

-- name: SetStoredBody :exec
UPDATE stored_content SET body = $1 WHERE id = $2;

-- name: LoseStored :execrows
UPDATE stored SET state = 'lost', updated = $1 WHERE state = 'running';

-- name: ExpireStored :execrows
DELETE FROM stored WHERE seq IN (
    SELECT s.seq FROM stored s
    WHERE s.updated < sqlc.arg(updated) AND s.state <> 'running' AND NOT EXISTS (SELECT 1 FROM stored c WHERE c.parent = s.id)
    ORDER BY s.updated LIMIT sqlc.arg(most)::bigint
);

-- name: StoredSeq :one
SELECT seq FROM stored WHERE id = $1 AND tenant = $2 AND "user" = $3;

-- name: StoredParent :one
SELECT parent FROM stored WHERE id = $1 AND tenant = $2 AND "user" = $3;

-- name: AddStoredItem :exec
INSERT INTO stored_item_content (object, seq, id, output, body)
SELECT s.id, (SELECT coalesce(max(i.seq), 0) + 1 FROM stored_item_content i WHERE i.object = s.id), sqlc.arg(item)::text, sqlc.arg(output)::bigint, sqlc.arg(body)::text
FROM stored s WHERE s.id = sqlc.arg(object) AND s.tenant = sqlc.arg(tenant) AND s."user" = sqlc.arg('user');

-- name: AddStoredEvent :exec
INSERT INTO stored_event_content (object, seq, body)
SELECT s.id, sqlc.arg(seq)::bigint, sqlc.arg(body)::text FROM stored s WHERE s.id = sqlc.arg(object);

-- name: StoredOwner :one
SELECT tenant, "user" FROM stored WHERE id = $1;

-- name: GetStoredItem :one
SELECT i.object, i.seq, i.id, i.output, i.body
FROM stored_item_content i JOIN stored s ON s.id = i.object
WHERE i.id = $1 AND s.tenant = $2 AND s."user" = $3
ORDER BY s.seq DESC, i.seq DESC LIMIT 1;

-- name: GetItemOfStored :one
SELECT i.object, i.seq, i.id, i.output, i.body
FROM stored_item_content i JOIN stored s ON s.id = i.object
WHERE i.object = $1 AND i.id = $2 AND s.tenant = $3 AND s."user" = $4
ORDER BY i.seq DESC LIMIT 1;

-- name: DeleteStoredItem :execrows
DELETE FROM stored_item_content WHERE object = $1 AND id = $2;

-- name: ListStoredItems :many
SELECT i.object, i.seq, i.id, i.output, i.body
FROM stored_item_content i JOIN stored s ON s.id = i.object
WHERE i.object = sqlc.arg(object) AND s.tenant = sqlc.arg(tenant) AND s."user" = sqlc.arg('user')
  AND i.seq > sqlc.arg(after) AND i.output <= sqlc.arg(output)
ORDER BY i.seq LIMIT sqlc.arg(most)::bigint;

-- name: ListStoredItemsBack :many
SELECT i.object, i.seq, i.id, i.output, i.body
FROM stored_item_content i JOIN stored s ON s.id = i.object
WHERE i.object = sqlc.arg(object) AND s.tenant = sqlc.arg(tenant) AND s."user" = sqlc.arg('user')
  AND i.seq < sqlc.arg(before) AND i.output <= sqlc.arg(output)
ORDER BY i.seq DESC LIMIT sqlc.arg(most)::bigint;

-- name: ListStoredEvents :many
SELECT e.seq, e.body
FROM stored_event_content e JOIN stored s ON s.id = e.object
WHERE e.object = sqlc.arg(object) AND s.tenant = sqlc.arg(tenant) AND s."user" = sqlc.arg('user') AND e.seq > sqlc.arg(after)
ORDER BY e.seq LIMIT sqlc.arg(most)::bigint;

-- name: ListStored :many
SELECT s.id, s.kind, s.state, s.tenant, s."user", s.model, s.parent, s.logged, s.created, s.updated, c.metadata, c.body
FROM stored s JOIN stored_content c ON c.id = s.id
WHERE s.tenant = sqlc.arg(tenant) AND s."user" = sqlc.arg('user') AND s.kind = sqlc.arg(kind) AND s.seq > sqlc.arg(after)
  AND (sqlc.arg(model)::text = '' OR s.model = sqlc.arg(model)::text)
  AND (sqlc.arg(metadata)::text = '{}' OR CASE
      WHEN strpos(sqlc.arg(metadata)::text, '\u0000') > 0 OR strpos(c.metadata, '\u0000') > 0 THEN FALSE -- which jsonb cannot hold
      ELSE c.metadata::jsonb @> replace(sqlc.arg(metadata)::text, '\u0000', '')::jsonb END)
ORDER BY s.seq LIMIT sqlc.arg(most)::bigint;

-- name: ListStoredBack :many
SELECT s.id, s.kind, s.state, s.tenant, s."user", s.model, s.parent, s.logged, s.created, s.updated, c.metadata, c.body
FROM stored s JOIN stored_content c ON c.id = s.id
WHERE s.tenant = sqlc.arg(tenant) AND s."user" = sqlc.arg('user') AND s.kind = sqlc.arg(kind) AND s.seq < sqlc.arg(before)
  AND (sqlc.arg(model)::text = '' OR s.model = sqlc.arg(model)::text)
  AND (sqlc.arg(metadata)::text = '{}' OR CASE
      WHEN strpos(sqlc.arg(metadata)::text, '\u0000') > 0 OR strpos(c.metadata, '\u0000') > 0 THEN FALSE -- which jsonb cannot hold
      ELSE c.metadata::jsonb @> replace(sqlc.arg(metadata)::text, '\u0000', '')::jsonb END)
ORDER BY s.seq DESC LIMIT sqlc.arg(most)::bigint;
