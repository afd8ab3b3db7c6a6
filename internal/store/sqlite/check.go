package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"ashatai/internal/core"
)

const maxFindings = 10

// Check implements store.DB.
func (db *DB) Check(ctx context.Context) error {
	damage, err := findings(ctx, db.read, fmt.Sprintf("PRAGMA integrity_check(%d)", maxFindings), 1)
	if err != nil {
		return explain(err, db.path)
	}
	if len(damage) == 1 && damage[0] == "ok" {
		damage = nil
	}
	dangling, err := findings(ctx, db.read, "PRAGMA foreign_key_check", 4)
	if err != nil {
		return explain(err, db.path)
	}
	for _, d := range dangling {
		damage = append(damage, "a reference leads nowhere: "+d)
	}
	if len(damage) == 0 {
		return nil
	}
	return core.Wrap(core.CodeUnavailable, errors.New(strings.Join(damage, "; ")),
		"The database %s is damaged in %d places, the first: %s. Stop the server and put a backup in its place.", db.path, len(damage), damage[0])
}

// findings returns the rows of a checking pragma with so many columns, each row as one text.
func findings(ctx context.Context, db *sql.DB, pragma string, columns int) ([]string, error) {
	rows, err := db.QueryContext(ctx, pragma)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err tells what matters
	var list []string
	for rows.Next() {
		cells := make([]sql.NullString, columns)
		into := make([]any, columns)
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		words := make([]string, columns)
		for i, c := range cells {
			words[i] = c.String
		}
		list = append(list, strings.Join(words, " "))
	}
	return list, rows.Err()
}
