package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/worker/wire"
)

// flushGrace is how long the last frames may take to leave.
const flushGrace = time.Second

// closeGrace is how long a model may take to close before the process ends without it.
const closeGrace = 5 * time.Second

// server is the state of one worker.
type server struct {
	conn    *wire.Conn
	log     *slog.Logger
	runtime engine.Runtime
	fatal   chan wire.Fatal // the first defect
	calls   sync.WaitGroup

	mu      sync.Mutex
	running map[uint32]context.CancelFunc
	loading bool
	model   engine.Model
}

// Run serves one channel, which it takes over, until it closes or the server says close. It returns the exit code for the
// process; goroutines of a model that does not stop may still run then.
func Run(ctx context.Context, channel io.ReadWriteCloser, launch wire.Launch, tier string, opt Options) int {
	conn := wire.NewConn(channel)
	defer func() { _ = conn.Close() }()
	s := &server{conn: conn, log: opt.Log, fatal: make(chan wire.Fatal, 1), running: map[uint32]context.CancelFunc{}}
	for _, rt := range opt.Runtimes {
		if rt.Descriptor().Name == launch.Runtime {
			s.runtime = rt
		}
	}
	if s.runtime == nil {
		opt.Log.ErrorContext(ctx, "the runtime is not part of this build", slog.String("runtime", launch.Runtime))
		return wire.ExitUsage
	}
	hello := wire.Hello{
		Protocol: wire.Protocol, Build: opt.Build, Runtime: launch.Runtime, Descriptor: wire.Descriptor(s.runtime.Descriptor()), PID: os.Getpid(), Tier: tier,
	}
	if err := conn.Send(wire.KindHello, 0, hello, nil); err != nil {
		return wire.ExitFailed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	beat := make(chan struct{})
	go func() {
		defer close(beat)
		s.heartbeat(ctx, launch.Heartbeat)
	}()
	read := make(chan error, 1)
	go func() {
		defer close(read)
		read <- s.read(ctx)
	}()

	code := wire.ExitClean
	select {
	case f := <-s.fatal:
		_ = conn.Send(wire.KindFatal, 0, f, nil)
		code = wire.ExitPanic
	case err := <-read:
		code = s.codeOf(ctx, err)
	case <-ctx.Done():
	}
	cancel()
	s.shutDown(ctx, code)
	s.flush()
	_ = conn.Close()
	<-beat
	for range read { // until the reading goroutine has ended
	}
	return code
}

// codeOf reads the exit code from the reason for which reading ended.
func (s *server) codeOf(ctx context.Context, err error) int {
	if _, ok := errors.AsType[*wire.BrokenError](err); ok {
		s.log.ErrorContext(ctx, "the server broke the protocol", slog.String("error", err.Error()))
		return wire.ExitProtocol
	}
	return wire.ExitClean
}

// shutDown closes the model and waits for the calls, within the grace. After a panic nothing is trusted to close.
func (s *server) shutDown(ctx context.Context, code int) {
	if code == wire.ExitPanic {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.closeModel(ctx)
		s.calls.Wait()
		s.closeModel(ctx) // one that was still loading
	}()
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		s.log.WarnContext(ctx, "the model does not close; the process ends without it", slog.Duration("grace", closeGrace))
	}
}

// flush lets the last frames leave, unless the server does not take them.
func (s *server) flush() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.conn.Flush() // ends with Close at the latest
	}()
	timer := time.NewTimer(flushGrace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

func (s *server) closeModel(ctx context.Context) {
	s.mu.Lock()
	m := s.model
	s.mu.Unlock()
	if m == nil {
		return
	}
	if err := m.Close(); err != nil {
		s.log.ErrorContext(ctx, "the model did not close well", slog.String("error", err.Error()))
	}
}

// heartbeat shows that this process gets processor time. It shares nothing with the calls but the channel.
func (s *server) heartbeat(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if s.conn.Send(wire.KindHeartbeat, 0, nil, nil) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// read takes frames until the channel ends, or the server says close.
func (s *server) read(ctx context.Context) error {
	for {
		f, err := s.conn.Read()
		if err != nil {
			return err
		}
		if f.Kind == wire.KindClose {
			return nil
		}
		if err := s.dispatch(ctx, f); err != nil {
			return err
		}
	}
}

// dispatch starts the call of a frame. What it needs of the frame is read here, because the frame's bytes do not last.
func (s *server) dispatch(ctx context.Context, f wire.Frame) error {
	switch f.Kind { //nolint:exhaustive // the other kinds are the worker's own
	case wire.KindCancel:
		s.cancel(f.Call)
		return nil
	case wire.KindProbe:
		return s.start(ctx, f.Call, 0, s.probe)
	case wire.KindLoad:
		return decoded(f, func(h *wire.Load) error { return s.start(ctx, f.Call, 0, s.load(h)) })
	case wire.KindGenerate:
		return decoded(f, func(h *wire.Generate) error { return s.start(ctx, f.Call, h.TimeoutMS, s.generate(h)) })
	case wire.KindEmbed:
		return decoded(f, func(h *wire.Embed) error { return s.start(ctx, f.Call, h.TimeoutMS, s.embed(h)) })
	case wire.KindRerank:
		return decoded(f, func(h *wire.Rerank) error { return s.start(ctx, f.Call, h.TimeoutMS, s.rerank(h)) })
	case wire.KindInfer:
		return decoded(f, func(h *wire.Infer) error {
			inputs, err := wire.TensorsIn(h.Inputs, &f)
			if err != nil {
				return err
			}
			return s.start(ctx, f.Call, h.TimeoutMS, s.infer(inputs, h.Outputs))
		})
	case wire.KindTokenize:
		return decoded(f, func(h *wire.Tokenize) error { return s.start(ctx, f.Call, 0, s.tokenize(h)) })
	case wire.KindDetokenize:
		ids, err := wire.Tokens(f.Tail)
		if err != nil {
			return err
		}
		return s.start(ctx, f.Call, 0, s.detokenize(ids))
	case wire.KindVariant:
		return decoded(f, func(h *engine.VariantSpec) error { return s.start(ctx, f.Call, 0, s.variant(h)) })
	case wire.KindDevices:
		return decoded(f, func(h *wire.Devices) error { return s.start(ctx, f.Call, 0, s.devices(h)) })
	case wire.KindStats:
		return s.start(ctx, f.Call, 0, s.stats)
	case wire.KindShare:
		return decoded(f, s.share)
	}
	return &wire.BrokenError{Reason: "the server sent " + f.Kind.String()}
}

func decoded[T any](f wire.Frame, then func(*T) error) error {
	h := new(T)
	if err := f.Decode(h); err != nil {
		return err
	}
	return then(h)
}

// handler answers one call. An error that it returns is sent as the call's error.
type handler func(ctx context.Context, call uint32) error

// start runs a call in a goroutine of its own.
func (s *server) start(ctx context.Context, call uint32, timeoutMS int64, h handler) error {
	if timeoutMS < 0 || timeoutMS > int64(maxTimeout/time.Millisecond) {
		return &wire.BrokenError{Reason: fmt.Sprintf("a call has a time limit of %d ms", timeoutMS)}
	}
	if timeoutMS == 0 {
		timeoutMS = int64(maxTimeout / time.Millisecond)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[call] != nil {
		return &wire.BrokenError{Reason: fmt.Sprintf("call %d runs already", call)}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(timeoutMS)*time.Millisecond)
	s.running[call] = cancel
	s.calls.Go(func() {
		defer cancel()
		defer s.cancel(call)
		defer func() {
			if r := recover(); r != nil {
				s.panicked(ctx, r)
			}
		}()
		if err := h(ctx, call); err != nil {
			s.refuse(ctx, call, err)
		}
	})
	return nil
}

// maxTimeout bounds the time limit of a call, far above every sensible one.
const maxTimeout = 30 * 24 * time.Hour

// cancel ends a call, and forgets it. One that has ended already is no error: the two cross on the way.
func (s *server) cancel(call uint32) {
	s.mu.Lock()
	cancel := s.running[call]
	delete(s.running, call)
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

func (s *server) refuse(ctx context.Context, call uint32, err error) {
	if e := core.AsError(err); e.Code == core.CodeInternal {
		s.log.ErrorContext(ctx, "a call failed", slog.String("error", err.Error()))
	}
	_ = s.conn.Send(wire.KindError, call, wire.ErrorOf(err), nil)
}

// panicked makes a panic the end of the process: what a runtime left behind cannot be trusted.
func (s *server) panicked(ctx context.Context, r any) {
	s.log.ErrorContext(ctx, "a call panicked", slog.Any("panic", r), slog.String("stack", string(debug.Stack())))
	select {
	case s.fatal <- wire.Fatal{Class: "panic", Detail: fmt.Sprint(r)}:
	default:
	}
}
