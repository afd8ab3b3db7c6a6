//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test's own program be the busy neighbour, and both servers.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == spinArgument:
		spin(os.Stdin)
	case len(os.Args) > 2 && os.Args[1] == "serve":
		keep(os.Args[slices.Index(os.Args, "--home")+1])
		serve(os.Args[slices.Index(os.Args, "--addr")+1])
	case len(os.Args) > 2 && os.Args[1] == "optimize":
	case len(os.Args) > 2 && os.Args[1] == "-m":
		serve(os.Args[slices.Index(os.Args, "--host")+1] + ":" + os.Args[slices.Index(os.Args, "--port")+1])
	default:
		os.Exit(m.Run())
	}
}

// keep leaves other weights in a home, as a server does that has looked for them.
func keep(home string) {
	dir := filepath.Join(home, optimizedFolder)
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "m.gguf"), nil, 0o600)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers as a model server does, a word each millisecond, until it is asked to end.
func serve(addr string) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"data":[{"id":"m"}]}`) })
	answer := func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Stream bool `json:"stream"`
			Tokens int  `json:"max_tokens"`
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || !q.Stream {
			fmt.Fprint(w, "{}")
			return
		}
		for range q.Tokens {
			<-time.After(time.Millisecond)
			fmt.Fprint(w, "data: {\"choices\":[{\"text\":\"x \"}]}\n\n")
			w.(http.Flusher).Flush()
		}
		fmt.Fprintf(w, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":%d}}\n\ndata: [DONE]\n\n", q.Tokens)
	}
	mux.HandleFunc("POST /api/generate", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	mux.HandleFunc("POST /v1/completions", answer)
	mux.HandleFunc("POST /v1/chat/completions", answer)
	srv := http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: time.Minute}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { _ = srv.Close() }) // its error would be the listener's, which is gone either way
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestRun(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := options{
		ours: self, peer: self, json: filepath.Join(t.TempDir(), "r.json"), rounds: 2, repeats: 1,
		targets: true, limit: time.Minute, window: 200 * time.Millisecond, only: []string{"decode", "prefix", "busy", "edit", "restart", "switch"},
	}
	o.model = filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(o.model, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), o, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| decode, 8 streams | tokens/s |", "| one core kept busy by another process, 4 streams |", "beside its best speculation |",
		"| same prefix after a restart |", "with the weights that `ashatai optimize` chose", "| front process, 8 streams | CPU per streamed token, µs |", "| start again |", "| 1 stream beside loads and unloads of another model | 99th percentile between tokens, times that alone |", "| first start, by itself |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no row %s in\n%s", want, out.String())
		}
	}
	b, err := os.ReadFile(o.json)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, x := range r.Turns {
		order = append(order, x.Contestant)
	}
	if got := strings.Join(order, " "); got != "ours best peer speculating best peer speculating ours" {
		t.Errorf("the order was %s", got)
	}
	if left := children(os.Getpid()); len(left) != 0 {
		t.Errorf("processes are left: %v", left)
	}
}

func TestServerThatEnds(t *testing.T) {
	ctx := t.Context()
	s, err := newServer(ctx, contestant{program: "false", args: func(string, string) []string { return nil }}, t.TempDir(), "m")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.start(ctx); err == nil || !strings.Contains(err.Error(), "ended by itself") {
		t.Errorf("%v", err)
	}
}
