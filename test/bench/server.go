package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The contestants' names in flags and reports.
const (
	oursName = "ours"
	bestName = "best" // ours, with the weights in the layout that is fastest here
	peerName = "peer"
	specName = "speculating"
)

// contestant is a server, or one way to start it.
type contestant struct {
	name, title string
	only        []string // pieces of work; nil: all
	program     string
	args        func(addr, home string) []string
}

// bestSpeculation is the n-gram setting with which llama-server of this release is fastest at copy-editing, of both models
// here: all five types were tried as they are and with shorter lengths. Long drafts cost more than they bring on two cores.
func bestSpeculation() []string {
	return []string{"--spec-type", "ngram-map-k", "--spec-ngram-map-k-size-n", "8", "--spec-ngram-map-k-size-m", "16"}
}

func contestants(o options) []contestant {
	cores := strconv.Itoa(runtime.NumCPU())
	ours := func(extra ...string) func(addr, home string) []string {
		return func(addr, home string) []string {
			args := []string{"serve", "--addr", addr, "--home", home, "--set", "engine.sequences=8", "--set", "engine.context=2048", "--set", "rate_limit.enabled=false"}
			for _, s := range append(extra, o.sets...) {
				args = append(args, "--set", s)
			}
			return args
		}
	}
	// Both in the same shape: 8 sequences, 16,384 cells of context, a thread for each core.
	peer := func(extra ...string) func(addr, home string) []string {
		return func(addr, _ string) []string {
			host, port, _ := strings.Cut(addr, ":")
			return append([]string{
				"-m", o.model, "--host", host, "--port", port, "--parallel", "8", "-c", "16384", "-t", cores, "-tb", cores,
			}, extra...)
		}
	}
	all := []contestant{
		{name: oursName, title: "ashatai", program: o.ours, args: ours()},
		{name: bestName, title: "ashatai, best layout", program: o.ours, args: ours("engine.weights=auto"), only: slices.DeleteFunc(pieces(), named)},
		{name: peerName, title: "llama-server", program: o.peer, args: peer()},
		{name: specName, title: "llama-server, speculating", program: o.peer, args: peer(bestSpeculation()...), only: []string{"edit"}},
	}
	var out []contestant
	for _, c := range all {
		asked := len(o.who) == 0
		for _, w := range o.who {
			asked = asked || w == c.name
		}
		useful := c.only == nil
		for _, p := range c.only {
			useful = useful || o.wants(p)
		}
		if asked && useful {
			out = append(out, c)
		}
	}
	return out
}

// server is a process that we started, and can start again at the same address with the same home.
type server struct {
	contestant

	addr, home, log, model string
	cmd                    *exec.Cmd
	done                   chan struct{} // closed when the process has ended
	ready                  time.Duration // from the start to the first answer
}

func newServer(ctx context.Context, c contestant, dir, model string) (*server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("free port: %w", err)
	}
	return &server{contestant: c, addr: addr, home: filepath.Join(dir, "home"), log: filepath.Join(dir, "log"), model: model}, nil
}

func (s *server) url() string { return "http://" + s.addr }

// start returns when the server has answered a request.
func (s *server) start(ctx context.Context) error {
	f, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // the child has its own handle
	s.done = nil
	s.cmd = exec.CommandContext(ctx, s.program, s.args(s.addr, s.home)...)
	s.cmd.Stdout, s.cmd.Stderr = f, f
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 15 * time.Second
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan<- struct{}) {
		_ = cmd.Wait() // a signal is how it is asked to end
		close(done)
	}(s.cmd, s.done)
	if err := s.wait(ctx); err != nil {
		return fmt.Errorf("%w; its log ends with: %s", errors.Join(err, s.stop()), tail(s.log))
	}
	s.ready = time.Since(began)
	return nil
}

// wait asks for one token until it comes: then the model is loaded, whatever the server says of itself.
func (s *server) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		last := s.ask(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server did not become ready: %w", last)
		case <-s.done:
			return fmt.Errorf("the server ended by itself: %s", s.cmd.ProcessState)
		case <-tick.C:
		}
	}
}

func (s *server) ask(ctx context.Context) error {
	if s.model == "" {
		var list struct {
			Data []struct {
				ID string `json:"id"`
			} `json:"data"`
		}
		if err := s.call(ctx, http.MethodGet, "/v1/models", "", nil, &list); err != nil {
			return err
		}
		if len(list.Data) == 0 {
			return errors.New("it lists no model")
		}
		s.model = list.Data[0].ID
	}
	q := map[string]any{"model": s.model, "max_tokens": 1, "prompt": "Hi"}
	return s.call(ctx, http.MethodPost, "/v1/completions", "", q, &struct{}{})
}

func (s *server) call(ctx context.Context, method, path, token string, body, into any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, s.url()+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("status %d: %s", res.StatusCode, bytes.TrimSpace(b))
	}
	return json.Unmarshal(b, into)
}

// stop ends our own process in order, and waits for it. It fails where the server has to be killed.
func (s *server) stop() error {
	if s.done == nil {
		return nil
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping the server: %w", err)
	}
	select {
	case <-s.done:
		return nil
	case <-time.After(30 * time.Second):
	}
	_ = s.cmd.Process.Kill() // an error means that it ended
	<-s.done
	return errors.New("the server did not end within 30 seconds and was killed")
}

func tail(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b[max(0, len(b)-800):]))
}
