package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"ashatai/internal/core"
)

// Check implements store.DB. It reads every row of every table, so that damage in PostgreSQL's files shows, and looks
// whether the settings keep what is acknowledged.
func (db *DB) Check(ctx context.Context) error {
	damage, err := db.broken(ctx)
	if err != nil {
		return explain(err, db.place)
	}
	tables, err := texted(ctx, db.sql, "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1")
	if err != nil {
		return explain(err, db.place)
	}
	for _, t := range tables {
		var n sql.NullInt64
		// The length of a whole row's text needs every byte of it.
		err := db.sql.QueryRowContext(ctx, "SELECT sum(length(t::text)) FROM "+t+" t").Scan(&n)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err != nil {
			damage = append(damage, fmt.Sprintf("the table %s cannot be read: %v", t, err))
		}
	}
	if len(damage) == 0 {
		return nil
	}
	return core.Wrap(core.CodeUnavailable, errors.New(strings.Join(damage, "; ")),
		"The database %s is not sound in %d places, the first: %s.", db.place, len(damage), damage[0])
}

// broken looks at what PostgreSQL itself knows to be wrong.
func (db *DB) broken(ctx context.Context) ([]string, error) {
	return texted(ctx, db.sql, `
SELECT 'the index ' || c.relname || ' is not valid' FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace
UNION ALL
SELECT 'the rule ' || conname || ' was not checked on all rows' FROM pg_constraint
WHERE NOT convalidated AND connamespace = current_schema()::regnamespace
UNION ALL
SELECT 'PostgreSQL runs with ' || name || ' off, so a power cut can lose what was acknowledged' FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'
ORDER BY 1`)
}

// texted returns the rows of a query with one column of text.
func texted(ctx context.Context, db *sql.DB, q string) ([]string, error) {
	rows, err := db.QueryContext(ctx, q)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err tells what matters
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}
