package host

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/mock"
	"ashatai/internal/proc"
	"ashatai/internal/worker/serve"
	"ashatai/internal/worker/wire"
)

// childFlag makes the test binary a worker; the argument after it says of which kind.
const childFlag = "--host-test-child="

const build = "test build"

func TestMain(m *testing.M) {
	// The program's name carries the flag through the sandbox, which keeps it when it starts the program again.
	if kind, ok := strings.CutPrefix(os.Args[0], childFlag); ok {
		os.Exit(child(kind, os.Args))
	}
	if len(os.Args) > 1 {
		if kind, ok := strings.CutPrefix(os.Args[1], childFlag); ok {
			os.Exit(child(kind, slices.Delete(slices.Clone(os.Args), 1, 2)))
		}
	}
	goleak.VerifyTestMain(m)
}

// child plays a worker, good or bad. It is a main of its own, with a context of its own.
func child(kind string, args []string) int {
	ctx := context.Background() //nolint:forbidigo // a main of its own
	opt := serve.Options{Build: build, Runtimes: []engine.Runtime{mock.New(), panicking{mock.New()}, weighing{mock.New()}, streaming{mock.New()}, toy{}}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	switch kind {
	case "good":
	case "sandboxed":
		args[0], opt.Env = childFlag+kind, []string{"GORACE=atexit_sleep_ms=0"}
		return serve.Main(ctx, args, opt)
	case "other-build":
		opt.Build = "another build"
	case "host":
		return hostMain(ctx, args[1])
	default:
		return bad(kind)
	}
	launch, err := wire.ParseLaunch(args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return wire.ExitUsage
	}
	c, err := proc.Inherited()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return wire.ExitUsage
	}
	return serve.Run(ctx, c, launch, "none", opt)
}

// bad plays a worker that breaks the rules from its first byte.
func bad(kind string) int {
	c, err := proc.Inherited()
	if err != nil {
		return wire.ExitUsage
	}
	conn := wire.NewConn(c)
	hello := wire.Hello{Protocol: wire.Protocol, Build: build, Runtime: "mock"}
	switch kind {
	case "dies":
		fmt.Fprintln(os.Stderr, "no such library")
		return 9
	case "garbage":
		_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\n\r\nthis is no frame at all"))
	case "wrong-first":
		_ = conn.Send(wire.KindHeartbeat, 0, nil, nil)
	case "old-protocol":
		hello.Protocol = 0
		_ = conn.Send(wire.KindHello, 0, hello, nil)
	case "other-runtime":
		hello.Runtime = "other"
		_ = conn.Send(wire.KindHello, 0, hello, nil)
	case "stale":
		hello.Environment = "another lock"
		_ = conn.Send(wire.KindHello, 0, hello, nil)
	case "no-call":
		_ = conn.Send(wire.KindHello, 0, hello, nil)
		_ = conn.Send(wire.KindEvent, 77, nil, nil)
	case "wrong-answer":
		_ = conn.Send(wire.KindHello, 0, hello, nil)
		f, err := conn.Read()
		if err != nil {
			return 1
		}
		_ = conn.Send(wire.KindTokens, f.Call, nil, nil)
	case "silent":
	case "chatty":
		return chatty(conn, hello)
	}
	for {
		if _, err := conn.Read(); err != nil {
			return 0
		}
	}
}

// chatty loads anything, and answers each generation in a wrong way, in turn.
func chatty(conn *wire.Conn, hello wire.Hello) int {
	_ = conn.Send(wire.KindHello, 0, hello, nil)
	for {
		f, err := conn.Read()
		if err != nil {
			return 0
		}
		switch f.Kind { //nolint:exhaustive // the rest is not answered
		case wire.KindLoad:
			_ = conn.Send(wire.KindLoaded, f.Call, wire.Loaded{Facts: engine.Facts{Runtime: "mock", Context: 4}}, nil)
		case wire.KindClose:
			return 0
		case wire.KindGenerate:
			var g wire.Generate
			if err := f.Decode(&g); err != nil {
				return 1
			}
			mischief(conn, f.Call, g.Request.ID)
		case wire.KindEmbed:
			_ = conn.Send(wire.KindVectors, f.Call, wire.Vectors{Count: 3, Dimensions: 1}, make([]byte, 12))
		}
	}
}

func mischief(conn *wire.Conn, call uint32, how string) {
	switch how {
	case "early-event":
		_ = conn.Send(wire.KindEvent, call, nil, []byte("x"))
	case "twice":
		_ = conn.Send(wire.KindAccepted, call, nil, nil)
		_ = conn.Send(wire.KindAccepted, call, nil, nil)
	case "flood":
		_ = conn.Send(wire.KindAccepted, call, nil, nil)
		for range 100 {
			_ = conn.Send(wire.KindEvent, call, nil, []byte("x"))
		}
	case "not-utf8":
		_ = conn.Send(wire.KindAccepted, call, nil, nil)
		_ = conn.Send(wire.KindEvent, call, nil, []byte("\xff"))
	case "end-only":
		_ = conn.Send(wire.KindEnd, call, nil, nil)
	case "other-kind":
		_ = conn.Send(wire.KindTokens, call, nil, nil)
	case "bad-error":
		_ = conn.Send(wire.KindError, call, nil, []byte("x"))
	}
}

// panicking is the mock under another name; tokenizing panics in it.
type panicking struct{ engine.Runtime }

func (p panicking) Descriptor() engine.Descriptor {
	d := p.Runtime.Descriptor()
	d.Name = "panicking"
	return d
}

func (p panicking) Load(ctx context.Context, spec engine.LoadSpec, progress func(float64)) (engine.Model, error) {
	m, err := p.Runtime.Load(ctx, spec, progress)
	if err != nil {
		return nil, err
	}
	return panicModel{m}, nil
}

type panicModel struct{ engine.Model }

func (panicModel) Tokenize(context.Context, engine.Prompt) ([]int, error) { panic("on purpose") }

// Infer gives its inputs back.
func (panicModel) Infer(_ context.Context, inputs []core.Tensor, _ []string) ([]core.Tensor, error) {
	return inputs, nil
}

func (panicModel) Detokenize(context.Context, []int) ([]byte, error) { return nil, nil }

// hostMain plays a server: it loads a model, tells the worker's number and waits to be killed.
func hostMain(ctx context.Context, path string) int {
	self, err := os.Executable()
	if err != nil {
		return 1
	}
	h := New(Config{Binary: self, Args: []string{childFlag + "good"}, Build: build, Log: slog.New(slog.DiscardHandler)})
	m, err := h.Runtime("mock", mock.New().Descriptor()).Load(ctx, engine.LoadSpec{Path: path}, nil)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	w, ok := m.(*model)
	if !ok {
		return 1
	}
	fmt.Println(w.PID())
	select {}
}
