-- name: PutStored :exec
INSERT INTO stored (id, kind, state, tenant, user, model, parent, logged, created, updated)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: PutStoredContent :exec
INSERT INTO stored_content (id, metadata, body) VALUES (?, ?, ?);

-- name: GetStored :one
SELECT s.id, s.kind, s.state, s.tenant, s.user, s.model, s.parent, s.logged, s.created, s.updated, c.metadata, c.body
FROM stored s JOIN stored_content c ON c.id = s.id
WHERE s.id = ? AND s.tenant = ? AND s.user = ?;

-- name: TouchStored :execrows
UPDATE stored SET updated = ? WHERE id = ? AND tenant = ? AND user = ?;

-- name: SetStoredMetadata :exec
UPDATE stored_content SET metadata = ? WHERE id = ?;

-- name: DeleteStored :execrows
DELETE FROM stored WHERE id = ? AND tenant = ? AND user = ?;

-- name: FinishStored :exec
UPDATE stored SET state = 'done', updated = ? WHERE id = ?;

-- name: SetStoredBody :exec
UPDATE stored_content SET body = ? WHERE id = ?;

-- name: LoseStored :execrows
UPDATE stored SET state = 'lost', updated = ? WHERE state = 'running';

-- name: ExpireStored :execrows
DELETE FROM stored WHERE seq IN (
    SELECT s.seq FROM stored s
    WHERE s.updated < sqlc.arg(updated) AND s.state <> 'running' AND NOT EXISTS (SELECT 1 FROM stored c WHERE c.parent = s.id)
    ORDER BY s.updated LIMIT sqlc.arg(most)
);

-- name: StoredSeq :one
SELECT seq FROM stored WHERE id = ? AND tenant = ? AND user = ?;

-- name: StoredParent :one
SELECT parent FROM stored WHERE id = ? AND tenant = ? AND user = ?;

-- name: AddStoredItem :exec
INSERT INTO stored_item_content (object, seq, id, output, body)
SELECT s.id, (SELECT coalesce(max(i.seq), 0) + 1 FROM stored_item_content i WHERE i.object = s.id), sqlc.arg(item), sqlc.arg(output), sqlc.arg(body)
FROM stored s WHERE s.id = sqlc.arg(object) AND s.tenant = sqlc.arg(tenant) AND s.user = sqlc.arg(user);

-- name: AddStoredEvent :exec
INSERT INTO stored_event_content (object, seq, body)
SELECT s.id, sqlc.arg(seq), sqlc.arg(body) FROM stored s WHERE s.id = sqlc.arg(object);

-- name: StoredOwner :one
SELECT tenant, user FROM stored WHERE id = ?;

-- name: GetStoredItem :one
SELECT i.object, i.seq, i.id, i.output, i.body
FROM stored_item_content i JOIN stored s ON s.id = i.object
WHERE i.id = ? AND s.tenant = ? AND s.user = ?
ORDER BY s.seq DESC, i.seq DESC LIMIT 1;

-- name: GetItemOfStored :one
SELECT i.object, i.seq, i.id, i.output, i.body
FROM stored_item_content i JOIN stored s ON s.id = i.object
WHERE i.object = ? AND i.id = ? AND s.tenant = ? AND s.user = ?
ORDER BY i.seq DESC LIMIT 1;

-- name: DeleteStoredItem :execrows
DELETE FROM stored_item_content WHERE object = ? AND id = ?;

-- name: ListStoredItems :many
SELECT i.object, i.seq, i.id, i.output, i.body
FROM stored_item_content i JOIN stored s ON s.id = i.object
WHERE i.object = sqlc.arg(object) AND s.tenant = sqlc.arg(tenant) AND s.user = sqlc.arg(user)
  AND i.seq > sqlc.arg(after) AND i.output <= sqlc.arg(output)
ORDER BY i.seq LIMIT sqlc.arg(most);

-- name: ListStoredItemsBack :many
SELECT i.object, i.seq, i.id, i.output, i.body
FROM stored_item_content i JOIN stored s ON s.id = i.object
WHERE i.object = sqlc.arg(object) AND s.tenant = sqlc.arg(tenant) AND s.user = sqlc.arg(user)
  AND i.seq < sqlc.arg(before) AND i.output <= sqlc.arg(output)
ORDER BY i.seq DESC LIMIT sqlc.arg(most);

-- name: ListStoredEvents :many
SELECT e.seq, e.body
FROM stored_event_content e JOIN stored s ON s.id = e.object
WHERE e.object = sqlc.arg(object) AND s.tenant = sqlc.arg(tenant) AND s.user = sqlc.arg(user) AND e.seq > sqlc.arg(after)
ORDER BY e.seq LIMIT sqlc.arg(most);

-- name: ListStored :many
SELECT s.id, s.kind, s.state, s.tenant, s.user, s.model, s.parent, s.logged, s.created, s.updated, c.metadata, c.body
FROM stored s JOIN stored_content c ON c.id = s.id
WHERE s.tenant = sqlc.arg(tenant) AND s.user = sqlc.arg(user) AND s.kind = sqlc.arg(kind) AND s.seq > sqlc.arg(after)
  AND (cast(sqlc.arg(model) AS TEXT) = '' OR s.model = cast(sqlc.arg(model) AS TEXT))
  AND NOT EXISTS (SELECT 1 FROM json_each(cast(sqlc.arg(metadata) AS TEXT)) f
                  WHERE NOT EXISTS (SELECT 1 FROM json_each(c.metadata) m WHERE m."key" = f."key" AND m."value" = f."value"))
ORDER BY s.seq LIMIT sqlc.arg(most);

-- name: ListStoredBack :many
SELECT s.id, s.kind, s.state, s.tenant, s.user, s.model, s.parent, s.logged, s.created, s.updated, c.metadata, c.body
FROM stored s JOIN stored_content c ON c.id = s.id
WHERE s.tenant = sqlc.arg(tenant) AND s.user = sqlc.arg(user) AND s.kind = sqlc.arg(kind) AND s.seq < sqlc.arg(before)
  AND (cast(sqlc.arg(model) AS TEXT) = '' OR s.model = cast(sqlc.arg(model) AS TEXT))
  AND NOT EXISTS (SELECT 1 FROM json_each(cast(sqlc.arg(metadata) AS TEXT)) f
                  WHERE NOT EXISTS (SELECT 1 FROM json_each(c.metadata) m WHERE m."key" = f."key" AND m."value" = f."value"))
ORDER BY s.seq DESC LIMIT sqlc.arg(most);
