// Package pgtest starts a PostgreSQL of its own for tests: a fresh data folder, a private socket and no network, run by an
// unprivileged user, gone when the test is. It refuses to use a server that runs already.
package pgtest

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// ErrNone says that PostgreSQL is not installed; a test skips then.
var ErrNone = errors.New("PostgreSQL is not installed; make setup-test brings it")

const (
	role      = "ashatai"
	startWait = 60 * time.Second
)

// Server is a running PostgreSQL.
type Server struct {
	dir   string // holds data and socket
	bin   string
	as    *syscall.SysProcAttr
	cmd   *exec.Cmd
	alive io.Closer // the server ends when this is closed, also by the end of the test's process
	done  chan struct{}
}

// For starts a server for one test, which ends with it. Without PostgreSQL the test is skipped.
func For(tb testing.TB) *Server {
	tb.Helper()
	s, err := Start(tb.Context())
	if errors.Is(err, ErrNone) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// Start makes a data folder and starts a server on it. The caller stops it.
func Start(ctx context.Context) (_ *Server, err error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin}
	// Short: a socket's path has about a hundred bytes.
	if s.dir, err = os.MkdirTemp("/tmp", "ashatai-pg-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(s.dir)
		}
	}()
	if s.as, err = unprivileged(s.dir); err != nil {
		return nil, err
	}
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"),
		"--pgdata", s.data(), "--username", role, "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = s.as, s.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// programs is the folder of PostgreSQL's programs: the one that make names, or where Debian puts it, or the PATH's.
func programs() (string, error) {
	if dir := os.Getenv("ASHATAI_TEST_POSTGRES"); dir != "" {
		return dir, nil
	}
	if list, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb"); len(list) > 0 { // the pattern is well-formed
		slices.Sort(list)
		return filepath.Dir(list[len(list)-1]), nil
	}
	if p, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(p), nil
	}
	return "", ErrNone
}

// unprivileged gives dir to the user that runs the server. PostgreSQL refuses to be run by root.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // no attributes: run as whoever runs the test
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2, os.Chown(dir, int(uid), int(gid))); err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

// run starts the server and waits until it takes connections. A shell stands between, which ends the server when its
// input ends: a test that is killed leaves nothing behind.
func (s *Server) run(ctx context.Context) error {
	const guard = `exec 3<&0; "$@" </dev/null 3<&- & pid=$!; { cat <&3 >/dev/null; kill -INT $pid; } & wait $pid`
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), "sh", "-c", guard, "sh", filepath.Join(s.bin, "postgres"), "-D", s.data(), "-k", s.dir,
		"-c", "listen_addresses=", "-c", "logging_collector=off", "-c", "log_destination=stderr", "-c", "max_connections=200", "-c", "lc_messages=C")
	s.cmd.SysProcAttr, s.cmd.Dir = s.as, s.dir
	alive, err := s.cmd.StdinPipe()
	if err != nil {
		return err
	}
	log, err := s.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.alive, s.done = alive, make(chan struct{})
	ready, last := make(chan struct{}), make(chan string, 1)
	go func() {
		defer close(s.done)
		var tail []string
		lines := bufio.NewScanner(log)
		for up := false; lines.Scan(); {
			tail = append(tail[max(0, len(tail)-20):], lines.Text())
			if !up && strings.Contains(lines.Text(), "ready to accept connections") {
				up = true
				close(ready)
			}
		}
		last <- strings.Join(tail, "\n")
		_ = s.cmd.Wait()
	}()
	select {
	case <-ready:
		return nil
	case text := <-last:
		return errors.New("PostgreSQL did not start: " + text)
	case <-time.After(startWait):
		return errors.Join(errors.New("PostgreSQL was not ready in time"), alive.Close())
	}
}

// Stop ends the server and removes its data.
func (s *Server) Stop() error {
	err := s.alive.Close()
	<-s.done
	return errors.Join(err, os.RemoveAll(s.dir))
}

// Crash ends the server at once, as a machine's end would, and starts it on what is left.
func (s *Server) Crash(ctx context.Context) error {
	stop := exec.CommandContext(ctx, filepath.Join(s.bin, "pg_ctl"), "stop", "-D", s.data(), "-m", "immediate", "-w")
	stop.SysProcAttr, stop.Dir = s.as, s.dir
	if out, err := stop.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_ctl: %w: %s", err, out)
	}
	_ = s.alive.Close() // the shell may be gone
	<-s.done
	return s.run(ctx)
}

// URL is the address of a database of the server.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: url.Values{"host": {s.dir}, "user": {role}}.Encode()}
	return u.String()
}

// NewDatabase makes an empty database and returns its address.
func (s *Server) NewDatabase(ctx context.Context, name string) (string, error) {
	return s.URL(name), s.Exec(ctx, "postgres", "CREATE DATABASE "+name)
}

// NewSchema makes an empty schema in the database postgres, which costs less than a database, and returns its address.
func (s *Server) NewSchema(ctx context.Context, name string) (string, error) {
	return s.URL("postgres") + "&search_path=" + url.QueryEscape(name), s.Exec(ctx, "postgres", "CREATE SCHEMA "+name)
}

// Exec runs a statement in a database of the server.
func (s *Server) Exec(ctx context.Context, database, statement string) error {
	return Exec(ctx, s.URL(database), statement)
}

// Exec runs a statement at an address.
func Exec(ctx context.Context, address, statement string) error {
	db, err := sql.Open("pgx", address)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement)
	return errors.Join(err, db.Close())
}
