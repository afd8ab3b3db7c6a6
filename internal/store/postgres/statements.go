package postgres

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"

	"ashatai/internal/store/sqlite/query"
)

//go:embed query/*.sql.go
var generated embed.FS

// statements puts this dialect's text of a statement in the place of SQLite's, by the name that both carry in their first
// line. Arguments and columns are the same in number, order and type, which TestStatementsAgree holds.
type statements struct{ to query.DBTX }

var _ query.DBTX = statements{}

// ExecContext implements query.DBTX.
func (s statements) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	return s.to.ExecContext(ctx, ours(text), args...)
}

// PrepareContext implements query.DBTX.
func (s statements) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	return s.to.PrepareContext(ctx, ours(text))
}

// QueryContext implements query.DBTX.
func (s statements) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return s.to.QueryContext(ctx, ours(text), args...)
}

// QueryRowContext implements query.DBTX.
func (s statements) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	return s.to.QueryRowContext(ctx, ours(text), args...)
}

// ours is this dialect's text of a statement.
func ours(text string) string {
	name := nameOf(text)
	t, ok := texts()[name]
	if !ok {
		panic(fmt.Sprintf("the statement %q has no PostgreSQL form; write it in queries and run make gen", name))
	}
	return t
}

// nameOf reads the name in sqlc's first line, "-- name: NAME :kind".
func nameOf(text string) string {
	rest, _ := strings.CutPrefix(text, "-- name: ")
	name, _, _ := strings.Cut(rest, " ")
	return name
}

// texts are the statements of the generated package, by name.
var texts = sync.OnceValue(func() map[string]string { //nolint:gochecknoglobals // a constant that is read from embedded files
	constant := regexp.MustCompile("(?s)\nconst [A-Za-z0-9_]+ = `(-- name: [^`]*)`")
	all := map[string]string{}
	err := fs.WalkDir(generated, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(generated, path)
		if err != nil {
			return err
		}
		for _, m := range constant.FindAllSubmatch(b, -1) {
			all[nameOf(string(m[1]))] = string(m[1])
		}
		return nil
	})
	if err != nil {
		panic("the embedded files can be read: " + err.Error())
	}
	return all
})
