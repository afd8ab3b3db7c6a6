// Package transfer copies what one database keeps into another of a different dialect, and proves that both then hold the
// same rows. It knows tables and columns only by what the databases say of themselves.
//
// It refuses a target that holds rows already, and it leaves out what a queue library keeps for itself.
package transfer

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"ashatai/internal/core"
)

// Side is one database of a copy.
type Side struct {
	DB       *sql.DB
	Name     string // for sentences
	Postgres bool   // else SQLite
}

// Table says what a table holds. Equal hashes mean equal rows, in whatever order.
type Table struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
	Hash string `json:"hash"` // lower-case hex
}

// queryer is a transaction or a pool.
type queryer interface {
	QueryContext(ctx context.Context, q string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, q string, args ...any) *sql.Row
}

// Copy puts every row of one database into another, empty one with the same tables, all or nothing, and returns what both
// then hold. One of them is SQLite. Errors: CodeConflict for a target with rows.
func Copy(ctx context.Context, from, to Side) (_ []Table, err error) {
	read, err := from.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, read.Rollback()) }() // nothing was written
	write, err := to.DB.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	list, err := copyAll(ctx, from, read, to, write)
	if err != nil {
		return nil, errors.Join(err, write.Rollback())
	}
	return list, write.Commit()
}

func copyAll(ctx context.Context, from Side, read *sql.Tx, to Side, write *sql.Tx) ([]Table, error) {
	names, err := order(ctx, from, read, to, write)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		var n int64
		if err := write.QueryRowContext(ctx, "SELECT count(*) FROM "+quote(name)).Scan(&n); err != nil {
			return nil, err
		}
		if n > 0 {
			return nil, core.Errorf(core.CodeConflict, "The database %s holds rows in %s already; name an empty one.", to.Name, name)
		}
	}
	var list []Table
	for _, name := range names {
		if err := copyTable(ctx, name, read, to, write); err != nil {
			return nil, fmt.Errorf("copy the table %s: %w", name, err)
		}
		before, err := sum(ctx, name, read)
		if err != nil {
			return nil, err
		}
		after, err := sum(ctx, name, write)
		if err != nil {
			return nil, err
		}
		if before != after {
			return nil, core.Errorf(core.CodeInternal, "The table %s differs after the copy (%d rows, %d there); nothing was kept in %s.", name, before.Rows, after.Rows, to.Name)
		}
		list = append(list, after)
	}
	return list, nil
}

// Sum says what each table of a database holds.
func Sum(ctx context.Context, s Side) (_ []Table, err error) {
	read, err := s.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, read.Rollback()) }()
	names, err := s.tables(ctx, read)
	if err != nil {
		return nil, err
	}
	list := make([]Table, len(names))
	for i, name := range names {
		if list[i], err = sum(ctx, name, read); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// snapshot begins a transaction that sees one moment.
func (s Side) snapshot(ctx context.Context) (*sql.Tx, error) {
	if !s.Postgres {
		return s.DB.BeginTx(ctx, nil)
	}
	return s.DB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
}

// tables are the product's tables. SQLite tells them in the order in which they were made, so that what is referred to
// comes before what refers to it.
func (s Side) tables(ctx context.Context, q queryer) ([]string, error) {
	const ours = "NOT IN ('schema_version') AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'river%'"
	text := "SELECT name FROM sqlite_schema WHERE type = 'table' AND name " + ours + " ORDER BY rowid"
	if s.Postgres {
		text = "SELECT name FROM (SELECT tablename::text AS name FROM pg_tables WHERE schemaname = current_schema()) t WHERE name " + ours + " ORDER BY 1"
	}
	return column(ctx, q, text)
}

// order is the order in which tables are filled. It refuses sides that do not have the same ones.
func order(ctx context.Context, from Side, read queryer, to Side, write queryer) ([]string, error) {
	a, err := from.tables(ctx, read)
	if err != nil {
		return nil, err
	}
	b, err := to.tables(ctx, write)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))) {
		return nil, core.Errorf(core.CodeInternal, "The databases %s and %s do not have the same tables.", from.Name, to.Name)
	}
	if from.Postgres {
		return b, nil
	}
	return a, nil
}

func column(ctx context.Context, q queryer, text string, args ...any) ([]string, error) {
	rows, err := q.QueryContext(ctx, text, args...)
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

// each calls do with each row of a table.
func each(ctx context.Context, name string, q queryer, do func(columns []string, row []any) error) error {
	rows, err := q.QueryContext(ctx, "SELECT * FROM "+quote(name))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // Err tells what matters
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	row, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := do(columns, row); err != nil {
			return err
		}
	}
	return rows.Err()
}

func copyTable(ctx context.Context, name string, read *sql.Tx, to Side, write *sql.Tx) error {
	var insert *sql.Stmt
	err := each(ctx, name, read, func(columns []string, row []any) (err error) {
		if insert == nil {
			if insert, err = write.PrepareContext(ctx, insertText(name, columns)); err != nil { //nolint:sqlclosecheck // closed below
				return err
			}
		}
		_, err = insert.ExecContext(ctx, row...)
		return err
	})
	if insert != nil {
		err = errors.Join(err, insert.Close())
	}
	if err != nil || !to.Postgres {
		return err
	}
	return advance(ctx, name, write)
}

func insertText(name string, columns []string) string {
	quoted, marks := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		quoted[i], marks[i] = quote(c), "$"+strconv.Itoa(i+1) // a form that both understand
	}
	return "INSERT INTO " + quote(name) + " (" + strings.Join(quoted, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")"
}

// advance sets PostgreSQL's counters behind the numbers that were written.
func advance(ctx context.Context, name string, write *sql.Tx) error {
	counted, err := column(ctx, write, "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1 AND is_identity = 'YES'", name)
	if err != nil {
		return err
	}
	for _, c := range counted {
		//nolint:gosec // names that the database itself gave, quoted
		text := "SELECT setval(pg_get_serial_sequence($1, $2), coalesce(max(" + quote(c) + "), 0) + 1, false) FROM " + quote(name)
		if _, err := write.ExecContext(ctx, text, quote(name), c); err != nil {
			return err
		}
	}
	return nil
}

// quote writes a name that the database itself gave; both dialects know this form.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// sum adds the hashes of all rows, which no order changes. Adding, unlike taking each bit's difference, tells one row from three.
func sum(ctx context.Context, name string, q queryer) (Table, error) {
	t := Table{Name: name}
	var total [4]uint64
	err := each(ctx, name, q, func(columns []string, row []any) error {
		t.Rows++
		h, err := hashRow(columns, row)
		for i := range total {
			total[i] += binary.LittleEndian.Uint64(h[8*i:])
		}
		return err
	})
	var b [32]byte
	for i, n := range total {
		binary.LittleEndian.PutUint64(b[8*i:], n)
	}
	t.Hash = hex.EncodeToString(b[:])
	return t, err
}

// hashRow hashes the values by the names of their columns.
func hashRow(columns []string, row []any) ([32]byte, error) {
	at := make([]int, len(columns))
	for i := range at {
		at[i] = i
	}
	slices.SortFunc(at, func(a, b int) int { return strings.Compare(columns[a], columns[b]) })
	h := sha256.New()
	put := func(kind byte, b []byte) {
		var head [9]byte
		head[0] = kind
		binary.LittleEndian.PutUint64(head[1:], uint64(len(b)))
		_, _ = h.Write(head[:]) // a hash takes everything
		_, _ = h.Write(b)
	}
	for _, i := range at {
		put('c', []byte(columns[i]))
		switch v := row[i].(type) {
		case nil:
			put('n', nil)
		case int64:
			put('i', binary.LittleEndian.AppendUint64(nil, uint64(v))) //nolint:gosec // its bits
		case bool:
			put('i', binary.LittleEndian.AppendUint64(nil, map[bool]uint64{true: 1}[v])) // SQLite has numbers for them
		case float64:
			put('f', binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)))
		case string:
			put('s', []byte(v))
		case []byte:
			put('b', v)
		case time.Time:
			put('t', []byte(v.UTC().Format(time.RFC3339Nano)))
		default:
			return [32]byte{}, fmt.Errorf("the column %s holds a %T", columns[i], v)
		}
	}
	return [32]byte(h.Sum(nil)), nil
}
