-- +goose Up

-- A key that got another secret keeps its id, its scopes and its limits; the secret before may open it for a while.
ALTER TABLE api_key ADD COLUMN before_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN before_until INTEGER NOT NULL DEFAULT 0;

CREATE UNIQUE INDEX api_key_before ON api_key (before_hash) WHERE before_hash <> '';
