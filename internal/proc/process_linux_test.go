package proc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ashatai/internal/core"
)

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func start(t *testing.T, spec Spec, act string, args ...string) *Process {
	t.Helper()
	spec.Path, spec.Args = self(t), append([]string{childFlag, act}, args...)
	if spec.Env == nil && act != "env" {
		// Under the race detector a program sleeps a second before it ends, unless told not to.
		spec.Env = []string{"GORACE=atexit_sleep_ms=0"}
	}
	p, err := Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Kill()
		<-p.Done()
	})
	return p
}

func wait(t *testing.T, p *Process) Exit {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	e, err := p.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// lockedBuffer collects output and tells when a line has come.
type lockedBuffer struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	line chan struct{}
	once sync.Once
}

func newBuffer() *lockedBuffer { return &lockedBuffer{line: make(chan struct{})} }

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if bytes.IndexByte(p, '\n') >= 0 {
		b.once.Do(func() { close(b.line) })
	}
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestChildGetsOnlyWhatTheSpecNames(t *testing.T) {
	t.Setenv("PROC_TEST_SECRET", "1")
	var stdout, stderr lockedBuffer
	stdout.line, stderr.line = make(chan struct{}), make(chan struct{})
	dir := t.TempDir()
	p := start(t, Spec{Env: []string{"A=b"}, Dir: dir, Stdout: &stdout, Stderr: &stderr}, "env", "x", "y z")
	if e := wait(t, p); e.Code != 0 {
		t.Fatalf("exit %+v", e)
	}
	if got, want := stdout.String(), "A=b\ndir="+dir+"\nargs=x,y z\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := stderr.String(); !strings.HasPrefix(got, "to stderr\n") {
		t.Errorf("stderr %q", got)
	}
}

func TestEmptyEnvironmentAndFolder(t *testing.T) {
	out := newBuffer()
	wait(t, start(t, Spec{Stdout: out}, "env"))
	if got := out.String(); got != "dir=/\nargs=\n" {
		t.Errorf("got %q", got)
	}
}

func TestExitClasses(t *testing.T) {
	for act, want := range map[string]Class{
		"": ClassClean, "code": ClassFailed, "panic": ClassPanic, "abort": ClassSignal, "sigkill": ClassKilled, "sigterm": ClassKilled,
		"fatal": ClassPanic, "fault": ClassSignal, "nil": ClassPanic,
	} {
		t.Run("act "+act, func(t *testing.T) {
			tail := NewTail(32 << 10)
			e := wait(t, start(t, Spec{Stderr: tail}, act))
			if got, detail := e.Classify(tail.String()); got != want || detail == "" {
				t.Errorf("class %s (%s), want %s; exit %+v, stderr:\n%s", got, detail, want, e, tail)
			}
		})
	}
}

func TestClassifyReadsStandardError(t *testing.T) {
	for _, c := range []struct {
		exit   Exit
		stderr string
		want   Class
		detail string
	}{
		{Exit{Code: 2}, "x\npanic: boom\n\ngoroutine 1", ClassPanic, "panic: boom"},
		{Exit{Code: 2}, "fatal error: all goroutines are asleep - deadlock!", ClassPanic, "fatal error: all goroutines are asleep - deadlock!"},
		{Exit{Code: 2}, "fatal error: unexpected signal\nSIGSEGV: segmentation violation\nPC=0", ClassSignal, "SIGSEGV: segmentation violation"},
		{Exit{Code: 2}, "runtime: out of memory: cannot allocate 4-byte block", ClassOutOfMemory, "runtime: out of memory: cannot allocate 4-byte block"},
		{Exit{Code: -1, Signal: "SIGABRT"}, "terminate called after throwing an instance of 'std::bad_alloc'", ClassOutOfMemory, "terminate called after throwing an instance of 'std::bad_alloc'"},
		{Exit{Code: -1, Signal: "SIGKILL", OutOfMemory: true}, "", ClassOutOfMemory, "the kernel killed it because memory ran out"},
		{Exit{Code: -1, Signal: "SIGSEGV"}, "panic: not this", ClassSignal, "signal SIGSEGV"},
		{Exit{Code: -1, Signal: "SIGSEGV"}, "a load failed before: std::bad_alloc\nMemoryError\n", ClassSignal, "signal SIGSEGV"},
		{Exit{Code: -1, Signal: "SIGKILL"}, "terminate called after throwing an instance of 'std::bad_alloc'", ClassKilled, "signal SIGKILL from outside the server"},
		{Exit{Code: -1, Signal: "SIGABRT"}, "ggml_aligned_malloc: insufficient memory (attempted to allocate 9.00 MB)\n", ClassOutOfMemory, "ggml_aligned_malloc: insufficient memory (attempted to allocate 9.00 MB)"},
		{Exit{Code: -1, Signal: "SIGABRT"}, "x.cpp:1: GGML_ASSERT(a == b) failed\nmore", ClassSignal, "signal SIGABRT: x.cpp:1: GGML_ASSERT(a == b) failed"},
		{Exit{Code: 2}, "SIGABRT: abort\nPC=0\nterminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc", ClassOutOfMemory, "terminate called after throwing an instance of 'std::bad_alloc'"},
		{Exit{Code: 2}, "terminate called after throwing an instance of 'std::runtime_error'\n  what():  boom\nSIGABRT: abort\nPC=0", ClassSignal, "SIGABRT: abort: terminate called after throwing an instance of 'std::runtime_error', what():  boom"},
		{Exit{Code: 2}, "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1]", ClassPanic, "panic: runtime error: invalid memory address or nil pointer dereference"},
		{Exit{Code: 2}, "fatal: bad g in signal handler", ClassSignal, "fatal: bad g in signal handler"},
		{Exit{Code: 1}, "Traceback (most recent call last):\nMemoryError\nTraceback (most recent call last):\n  x\nValueError: later", ClassPanic, "ValueError: later"},
		{Exit{Code: 1}, "Fatal Python error: init_fs_encoding: failed\nPython runtime state: core initialized", ClassPanic, "Fatal Python error: init_fs_encoding: failed"},
		{Exit{Code: -1, Signal: "SIGKILL", Killed: true}, "panic: not this", ClassKilled, "it was killed"},
		{Exit{Code: 1}, "panic: not this", ClassFailed, "exit code 1"},
		{Exit{Code: 1}, "Traceback (most recent call last):\n  File \"a.py\", line 1\n    x\nValueError: bad\n", ClassPanic, "ValueError: bad"},
		{Exit{Code: 1}, "Traceback (most recent call last):\n  File \"a.py\", line 1\nMemoryError\n", ClassOutOfMemory, "MemoryError"},
		{Exit{Code: 1}, "RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried", ClassOutOfMemory, "RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried"},
		{Exit{Code: 2}, "usage", ClassFailed, "exit code 2"},
		{Exit{}, "panic: not this", ClassClean, "it ended by itself"},
	} {
		if got, detail := c.exit.Classify(c.stderr); got != c.want || detail != c.detail {
			t.Errorf("%+v %q: %s (%s), want %s (%s)", c.exit, c.stderr, got, detail, c.want, c.detail)
		}
	}
}

func TestChannelCarriesBothWays(t *testing.T) {
	p := start(t, Spec{Channel: true}, "echo")
	want := strings.Repeat("0123456789", 50_000)
	go func() { _, _ = io.WriteString(p.Channel(), want) }()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(p.Channel(), got); err != nil || string(got) != want {
		t.Fatalf("read: %v", err)
	}
	if err := p.Channel().Close(); err != nil {
		t.Fatal(err)
	}
	if e := wait(t, p); e.Code != 0 {
		t.Errorf("the child did not end by the closed channel: %+v", e)
	}
}

func TestChannelEndsWithTheChild(t *testing.T) {
	p := start(t, Spec{Channel: true}, "code")
	defer func() { _ = p.Channel().Close() }()
	if n, err := p.Channel().Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read %d, %v; want the end", n, err)
	}
}

func TestChannelIsMissedWhereThereIsNone(t *testing.T) {
	out := newBuffer()
	if e := wait(t, start(t, Spec{Stdout: out}, "no-channel")); e.Code != 0 || !strings.Contains(out.String(), "descriptor 3") {
		t.Errorf("exit %+v, said %q", e, out)
	}
}

func TestKillAndSignal(t *testing.T) {
	out := newBuffer()
	p := start(t, Spec{Stdout: out}, "term")
	<-out.line
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if e := wait(t, p); e.Code != 0 {
		t.Errorf("after SIGTERM: %+v", e)
	}
	out = newBuffer()
	p = start(t, Spec{Stdout: out}, "wait")
	<-out.line
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if e := wait(t, p); !e.Killed || e.Signal != "SIGKILL" {
		t.Errorf("after Kill: %+v", e)
	}
	if p.Kill() != nil || p.Signal(syscall.SIGTERM) != nil {
		t.Error("an ended child is an error")
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	out := newBuffer()
	p := start(t, Spec{Stdout: out}, "wait")
	<-out.line
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Wait(ctx); core.CodeOf(err) != core.CodeCancelled {
		t.Errorf("got %v", err)
	}
	if _, err := Start(ctx, Spec{Path: self(t)}); core.CodeOf(err) != core.CodeCancelled {
		t.Errorf("start got %v", err)
	}
}

func TestStartFailuresAreSentences(t *testing.T) {
	for _, path := range []string{"/nowhere/at-all", os.DevNull} {
		_, err := Start(t.Context(), Spec{Path: path, Channel: true})
		e, ok := errors.AsType[*core.Error](err)
		if !ok || e.Code != core.CodeUnavailable || !strings.Contains(e.Message, path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	tail := NewTail(8)
	for i := range 100 {
		if n, err := tail.Write([]byte{'0' + byte(i%10), '\n'}); n != 2 || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := tail.String(); got != "6\n7\n8\n9\n" {
		t.Errorf("kept %q", got)
	}
	sc := bufio.NewScanner(strings.NewReader(tail.String()))
	sc.Scan()
	if sc.Text() != "6" {
		t.Errorf("first line %q", sc.Text())
	}
}
