package host

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/enginetest"
	"ashatai/internal/engine/mock"
	"ashatai/internal/proc"
)

const bound = 20 * time.Second

// logs collects log lines.
type logs struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func config(tb testing.TB, kind string) Config {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	return Config{
		Binary: self, Args: []string{childFlag + kind}, Build: build, Log: slog.New(slog.DiscardHandler),
		HeartbeatEvery: 50 * time.Millisecond, CloseGrace: 5 * time.Second,
		// Under the race detector a program sleeps a second before it ends, unless told not to.
		Env: []string{"GORACE=atexit_sleep_ms=0"},
	}
}

func write(tb testing.TB, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "model")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// options are load options of the mock.
type options = map[string]string

func spec(tb testing.TB, o options) engine.LoadSpec {
	tb.Helper()
	return engine.LoadSpec{Path: write(tb, `{"format":"mock"}`), Options: o}
}

func open(t *testing.T, cfg Config, s engine.LoadSpec) *model {
	t.Helper()
	m, err := New(cfg).Runtime("mock", mock.New().Descriptor()).Load(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	w, ok := m.(*model)
	if !ok {
		t.Fatalf("the model is a %T", m)
	}
	return w
}

func refusal(t *testing.T, cfg Config, s engine.LoadSpec) *core.Error {
	t.Helper()
	m, err := New(cfg).Runtime("mock", mock.New().Descriptor()).Load(t.Context(), s, nil)
	if err == nil {
		_ = m.Close()
		t.Fatal("the load succeeded")
	}
	e, ok := errors.AsType[*core.Error](err)
	if !ok {
		t.Fatalf("%v is no core.Error", err)
	}
	return e
}

func ask(text string) engine.GenerateRequest {
	return engine.GenerateRequest{
		ID: "r", Tenant: "t", Prompt: engine.Prompt{Segments: []engine.Segment{{Text: text}}}, Choices: 1, IgnoreEOS: true,
		Sampling: engine.Sampling{TopP: 1, TypicalP: 1, RepeatPenalty: 1},
	}
}

// read runs a request to its end: its text and how it ended.
func read(ctx context.Context, m *model, req engine.GenerateRequest) (string, error) {
	events, err := m.Generate(ctx, req)
	if err != nil {
		return "", err
	}
	text := ""
	for ev, err := range events {
		if err != nil {
			return text, err
		}
		text += ev.Text
	}
	return text, nil
}

func exitOfModel(t *testing.T, m *model) *Exit {
	t.Helper()
	select {
	case <-m.Done():
	case <-time.After(bound):
		t.Fatal("the worker does not end")
	}
	e, ok := errors.AsType[*Exit](m.Exit())
	if !ok {
		t.Fatalf("the exit is %v", m.Exit())
	}
	return e
}

func TestEngineContractAsAChild(t *testing.T) {
	path := write(t, `{"format":"mock","context":512}`)
	enginetest.Run(t, func(t *testing.T) engine.Runtime {
		t.Helper()
		return New(config(t, "good")).Runtime("mock", mock.New().Descriptor())
	}, enginetest.Options{
		Spec: engine.LoadSpec{Path: path}, Embedding: &engine.LoadSpec{Path: path, Embedding: true}, Reranking: &engine.LoadSpec{Path: path, Embedding: true}, BadFile: write(t, "no model"), Control: "<|end|>",
		Skip: map[string]string{"a grammar is obeyed": "the mock follows no grammar"},
	})
}

func TestSandboxedWorkerServes(t *testing.T) {
	cfg := config(t, "sandboxed")
	cfg.Limits = proc.Limits{MemoryBytes: 4 << 30, OpenFiles: 256, FileBytes: -1}
	i, err := New(cfg).Inspect(t.Context(), "mock")
	if err != nil {
		t.Fatal(err)
	}
	if !i.Status.Ready || i.Build != build || i.Tier == "" {
		t.Errorf("inspection %+v", i)
	}
	m := open(t, cfg, spec(t, nil))
	if m.Tier() != i.Tier {
		t.Errorf("tiers %q and %q", m.Tier(), i.Tier)
	}
	if text, err := read(t.Context(), m, ask("#mock reply=sandboxed words")); err != nil || !strings.HasPrefix(text, "sandboxed words") {
		t.Errorf("answer %q, %v", text, err)
	}
	if err := m.Close(); err != nil || m.Exit() != nil {
		t.Errorf("close: %v, exit %v", err, m.Exit())
	}
}

func TestWorkerStartedByHandSaysSo(t *testing.T) {
	cfg := config(t, "sandboxed")
	out, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	// A plain file as standard error, as in a shell's redirection: what the sandbox would keep from being written.
	cmd := exec.CommandContext(t.Context(), cfg.Binary, cfg.Args[0], "--runtime=mock")
	cmd.Stderr = out
	_ = cmd.Run()
	text, err := os.ReadFile(out.Name())
	if code := cmd.ProcessState.ExitCode(); err != nil || code != 64 || !strings.Contains(string(text), "started by the server and not by hand") {
		t.Errorf("exit code %d, said %q, %v", code, text, err)
	}
}

func TestBadWorkersAreRefusedWithASentence(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]struct {
		code core.Code
		text string
	}{
		"dies":          {core.CodeUnavailable, "before it was ready"},
		"garbage":       {core.CodeUnavailable, "worker protocol"},
		"wrong-first":   {core.CodeUnavailable, "worker protocol"},
		"old-protocol":  {core.CodeUnavailable, "protocol 0"},
		"other-runtime": {core.CodeUnavailable, `"other"`},
		"other-build":   {core.CodeUnavailable, `build "another build" and this server is build "test build"`},
		"stale":         {core.CodeUnavailable, "ashatai runtime install mock"},
		"silent":        {core.CodeUnavailable, "not ready within"},
		"wrong-answer":  {core.CodeBadModel, "worker protocol"},
		"no-call":       {core.CodeBadModel, "worker protocol"},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, kind)
			if kind == "silent" {
				cfg.StartTimeout = 300 * time.Millisecond
			}
			e := refusal(t, cfg, spec(t, nil))
			if e.Code != want.code || !strings.Contains(e.Message, want.text) {
				t.Errorf("got %v", e)
			}
		})
	}
}

func TestStandardErrorIsInTheExitAndTheLog(t *testing.T) {
	var out logs
	cfg := config(t, "dies")
	cfg.Log = slog.New(slog.NewTextHandler(&out, nil))
	e := refusal(t, cfg, spec(t, nil))
	x, ok := errors.AsType[*Exit](e)
	if !ok || x.Code != 9 || !strings.Contains(x.StderrTail, "no such library") || x.Class != proc.ClassFailed {
		t.Errorf("exit %+v", x)
	}
	if !strings.Contains(out.String(), `line="no such library"`) || !strings.Contains(out.String(), "worker ended") {
		t.Errorf("log:\n%s", out.String())
	}
}

func TestMissingBinary(t *testing.T) {
	cfg := config(t, "good")
	cfg.Binary = filepath.Join(t.TempDir(), "worker")
	e := refusal(t, cfg, spec(t, nil))
	if e.Code != core.CodeUnavailable || !strings.Contains(e.Message, cfg.Binary) {
		t.Errorf("got %v", e)
	}
	rt := New(cfg).Runtime("mock", mock.New().Descriptor())
	if st := rt.Probe(t.Context()); st.Ready || !strings.Contains(st.Missing, cfg.Binary) {
		t.Errorf("probe %+v", st)
	}
}

func TestLoadFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		o    options
		code core.Code
	}{
		{"told bad", options{"fail_load": "bad_model"}, core.CodeBadModel},
		{"told memory", options{"fail_load": "out_of_memory"}, core.CodeOutOfMemory},
		{"told missing", options{"fail_load": "unavailable"}, core.CodeUnavailable},
		{"bad option", options{"nonsense": "1"}, core.CodeInvalidRequest},
		{"crash", options{"fail_load": "crash"}, core.CodeBadModel},
		{"exit", options{"fail_load": "crash", "crash": "exit"}, core.CodeBadModel},
		{"panic", options{"fail_load": "crash", "crash": "panic"}, core.CodeBadModel},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if e := refusal(t, config(t, "good"), spec(t, c.o)); e.Code != c.code {
				t.Errorf("got %v, want %s", e, c.code)
			}
		})
	}
	if e := refusal(t, config(t, "good"), engine.LoadSpec{Path: "relative"}); e.Code != core.CodeInvalidRequest {
		t.Errorf("relative path: %v", e)
	}
}

func TestSlowLoadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := New(config(t, "good")).Runtime("mock", mock.New().Descriptor()).Load(ctx, spec(t, options{"load_delay": "5m"}), nil)
	if core.CodeOf(err) != core.CodeDeadline || time.Since(start) > bound {
		t.Errorf("got %v after %s", err, time.Since(start))
	}
}

func TestDeathsInMidStream(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, directive string
		class           proc.Class
	}{
		{"abort", "crash_after=3", proc.ClassSignal},
		{"exit", "crash_after=3 crash=exit", proc.ClassFailed},
		{"panic", "crash_after=3 crash=panic", proc.ClassPanic},
		{"garbage", "garbage_after=3", ClassProtocol},
		{"frozen", "freeze_after=3", ClassHung},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, "good")
			if c.class == ClassHung {
				cfg.HeartbeatTimeout = time.Second
			}
			m := open(t, cfg, spec(t, nil))
			text, err := read(t.Context(), m, ask("#mock "+c.directive))
			if core.CodeOf(err) != core.CodeWorkerDied {
				t.Errorf("the stream ended by %v", err)
			}
			if len(text) > 60 {
				t.Errorf("three tokens became %q", text)
			}
			if e := exitOfModel(t, m); e.Class != c.class || e.Detail == "" {
				t.Errorf("exit %+v, want %s", e, c.class)
			}
			if _, err := m.Tokenize(t.Context(), engine.Prompt{}); core.CodeOf(err) != core.CodeWorkerDied {
				t.Errorf("a call after the end: %v", err)
			}
			if err := m.Close(); err != nil || core.CodeOf(m.Exit()) != core.CodeWorkerDied {
				t.Errorf("close: %v; exit %v", err, m.Exit())
			}
		})
	}
}

func TestPanicInACallIsReported(t *testing.T) {
	m, err := New(config(t, "good")).Runtime("panicking", mock.New().Descriptor()).Load(t.Context(), spec(t, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	w, ok := m.(*model)
	if !ok {
		t.Fatalf("%T", m)
	}
	_, err = w.Tokenize(t.Context(), engine.Prompt{})
	x, ok := errors.AsType[*Exit](err)
	if core.CodeOf(err) != core.CodeWorkerDied || !ok || x.Class != proc.ClassPanic || x.Detail != "on purpose" || !strings.Contains(x.StderrTail, "panicModel") {
		t.Errorf("got %v, exit %+v", err, x)
	}
}

func TestKilledFromOutside(t *testing.T) {
	m := open(t, config(t, "good"), spec(t, options{"token_delay": "5ms"}))
	events, err := m.Generate(t.Context(), ask("go on"))
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range events {
		if last = err; err == nil {
			p, err := os.FindProcess(m.PID())
			if err == nil {
				err = p.Kill()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if core.CodeOf(last) != core.CodeWorkerDied {
		t.Errorf("the stream ended by %v", last)
	}
	if e := exitOfModel(t, m); e.Class != proc.ClassKilled || e.Signal != "SIGKILL" {
		t.Errorf("exit %+v", e)
	}
}

func TestCloseKillsWhatDoesNotClose(t *testing.T) {
	cfg := config(t, "good")
	cfg.CloseGrace = 300 * time.Millisecond
	m := open(t, cfg, spec(t, options{"ignore_close": "true"}))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if e := exitOfModel(t, m); e.Class != proc.ClassKilled {
		t.Errorf("exit %+v", e)
	}
}

func TestHungRequestIsLeftByItsDeadlineAndFreedByClose(t *testing.T) {
	m := open(t, config(t, "good"), spec(t, nil))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := read(ctx, m, ask("#mock hang_after=2")); core.CodeOf(err) != core.CodeDeadline {
		t.Errorf("got %v", err)
	}
	// Heartbeats go on, so the worker counts as alive.
	if _, err := m.Stats(t.Context()); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil || m.Exit() != nil {
		t.Errorf("close %v, exit %v", err, m.Exit())
	}
}

func TestSlowReaderHoldsUpNobody(t *testing.T) {
	m := open(t, config(t, "good"), spec(t, nil))
	slow, err := m.Generate(t.Context(), ask("one"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range slow {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			// Nothing of this stream is taken while three others run to their ends.
			for range 3 {
				if _, err := read(t.Context(), m, ask("two")); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if n < 100 {
		t.Errorf("the slow reader got %d events", n)
	}
}

func TestStreamThatNobodyReadsIsFreedByItsContext(t *testing.T) {
	m := open(t, config(t, "good"), spec(t, nil))
	ctx, cancel := context.WithCancel(t.Context())
	events, err := m.Generate(ctx, ask("#mock token_delay=1m"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if st, err := m.Stats(t.Context()); err != nil || st.Active == 0 && st.Waiting == 0 {
			break
		}
		<-tick.C
	}
	for _, err := range events {
		if core.CodeOf(err) != core.CodeCancelled {
			t.Errorf("got %v", err)
		}
	}
}

func TestMischiefIsAProtocolError(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"early-event", "twice", "flood", "not-utf8", "other-kind", "bad-error"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			m := open(t, config(t, "chatty"), spec(t, nil))
			req := ask("x")
			req.ID = how
			if _, err := read(t.Context(), m, req); core.CodeOf(err) != core.CodeWorkerDied {
				t.Errorf("got %v", err)
			}
			if e := exitOfModel(t, m); e.Class != ClassProtocol {
				t.Errorf("exit %+v", e)
			}
		})
	}
	t.Run("end-only", func(t *testing.T) {
		t.Parallel()
		m := open(t, config(t, "chatty"), spec(t, nil))
		req := ask("x")
		req.ID = "end-only"
		if _, err := read(t.Context(), m, req); core.CodeOf(err) != core.CodeInternal {
			t.Errorf("got %v", err)
		}
	})
	t.Run("vectors", func(t *testing.T) {
		t.Parallel()
		m := open(t, config(t, "chatty"), spec(t, nil))
		if _, _, err := m.Embed(t.Context(), make([]engine.Prompt, 2)); core.CodeOf(err) != core.CodeWorkerDied {
			t.Errorf("got %v", err)
		}
	})
}
