package main

import (
	"bufio"
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
	"strconv"
	"strings"
	"syscall"
	"time"
)

// turn is one server's measurement.
type turn struct {
	Load   string  `json:"loadavg_start"`
	Phases []phase `json:"phases"`
	rss    float64 // MiB of the server and its children after the load
	ready  float64 // seconds from start to the first answer
}

// phase is a row of llmbench's report.
type phase struct {
	Name       string  `json:"name"`
	TTFT       float64 `json:"ttft_p50_ms"`
	ITL        float64 `json:"itl_p50_ms"`
	Gap        float64 `json:"itl_max_ms"`
	Steady     float64 `json:"steady_tok_s"`
	Errors     int     `json:"errors"`
	FirstError string  `json:"first_error"`
}

// measure starts one server, drives it, and ends it.
func measure(ctx context.Context, o options, mine bool) (turn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	home, err := os.MkdirTemp("", "bench")
	if err != nil {
		return turn{}, err
	}
	defer os.RemoveAll(home) //nolint:errcheck // a leftover in the temporary folder is no reason to lose the figures
	s, err := start(ctx, o, mine, home)
	if err != nil {
		return turn{}, err
	}
	defer s.stop()
	args := []string{"-url", s.url, "-scenario", "suite", "-rounds", "2", "-max-time", o.limit.String()}
	if o.only != "" {
		args = append(args, "-only", o.only)
	}
	load := exec.CommandContext(ctx, o.load, args...)
	load.Stderr = os.Stderr
	out, err := load.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 2) { // 2: some requests failed; the rows say which
		return turn{}, fmt.Errorf("llmbench: %w", err)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	t := turn{rss: s.memory(), ready: s.ready.Seconds()}
	if err := json.Unmarshal(lines[len(lines)-1], &t); err != nil {
		return turn{}, fmt.Errorf("llmbench's report: %w", err)
	}
	for _, p := range t.Phases {
		if p.Errors > 0 {
			fmt.Fprintf(os.Stderr, "bench: %s: %d errors, the first: %s\n", p.Name, p.Errors, p.FirstError)
		}
	}
	return t, nil
}

// server is a process that we started.
type server struct {
	cmd   *exec.Cmd
	url   string
	ready time.Duration
	log   string
}

func start(ctx context.Context, o options, mine bool, home string) (*server, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	s := &server{url: "http://" + addr, log: filepath.Join(home, "log")}
	if mine {
		s.cmd = exec.CommandContext(ctx, o.ours, "serve", "--addr", addr, "--home", filepath.Join(home, "home"),
			"--set", "engine.sequences=8", "--set", "engine.context=2048")
	} else {
		// Both in the same shape: 8 sequences, 16,384 cells of context, a thread for each core.
		cores := strconv.Itoa(runtime.NumCPU())
		s.cmd = exec.CommandContext(ctx, o.peer, "-m", o.model, "--host", "127.0.0.1", "--port", strconv.Itoa(port),
			"--parallel", "8", "-c", "16384", "-t", cores, "-tb", cores)
	}
	f, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // the child has its own handle
	s.cmd.Stdout, s.cmd.Stderr = f, f
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 15 * time.Second
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := s.wait(ctx); err != nil {
		s.stop()
		return nil, fmt.Errorf("%w; its log ends with: %s", err, tail(s.log))
	}
	s.ready = time.Since(began)
	return s, nil
}

func freePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil || !ok {
		return 0, fmt.Errorf("free port: %w", err)
	}
	return addr.Port, nil
}

// wait asks for one token until it comes: then the model is loaded, whatever the server says of itself.
func (s *server) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		last := s.ask(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server did not become ready: %w", last)
		case <-tick.C:
		}
	}
}

func (s *server) ask(ctx context.Context) error {
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := s.call(ctx, http.MethodGet, "/v1/models", "", &list); err != nil {
		return err
	}
	if len(list.Data) == 0 {
		return errors.New("it lists no model")
	}
	body, err := json.Marshal(map[string]any{
		"model": list.Data[0].ID, "max_tokens": 1, "messages": []map[string]string{{"role": "user", "content": "Hi"}},
	})
	if err != nil {
		return err
	}
	return s.call(ctx, http.MethodPost, "/v1/chat/completions", string(body), &struct{}{})
}

func (s *server) call(ctx context.Context, method, path, body string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
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
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d: %s", res.StatusCode, bytes.TrimSpace(b))
	}
	return json.Unmarshal(b, into)
}

// memory is the resident memory of the server and its children in MiB; 0 where the system does not tell.
func (s *server) memory() float64 {
	kib := 0
	for _, pid := range append(children(s.cmd.Process.Pid), s.cmd.Process.Pid) {
		f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		for sc := bufio.NewScanner(f); sc.Scan(); {
			var n int
			if _, err := fmt.Sscanf(sc.Text(), "VmRSS: %d kB", &n); err == nil {
				kib += n
			}
		}
		_ = f.Close() // only read
	}
	return float64(kib) / 1024
}

func children(pid int) []int {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil
	}
	var out []int
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(b)) {
			var child int
			if _, err := fmt.Sscan(field, &child); err == nil {
				out = append(append(out, child), children(child)...)
			}
		}
	}
	return out
}

// stop ends our own process, and waits for it.
func (s *server) stop() {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		fmt.Fprintln(os.Stderr, "bench: stopping the server:", err)
	}
	hard := time.AfterFunc(15*time.Second, func() { _ = s.cmd.Process.Kill() }) // the last resort; an error means that it ended
	defer hard.Stop()
	_ = s.cmd.Wait() // a signal is how it was asked to end
}

func tail(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b[max(0, len(b)-800):]))
}
