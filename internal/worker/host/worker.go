package host

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/proc"
	"ashatai/internal/worker/wire"
)

// worker is one process. One goroutine reads from it and one watches its heartbeat.
type worker struct {
	runtime string
	cfg     *Config
	process *proc.Process
	conn    *wire.Conn
	stderr  *stderr
	started time.Time
	seen    atomic.Int64    // when the last frame came, since started
	greeted chan wire.Hello // one value, then nothing
	done    chan struct{}   // the process has ended, and every call with it

	mu      sync.Mutex
	calls   map[uint32]call
	last    uint32 // number of the last call
	closing bool
	known   verdict
	ended   bool
	exit    *Exit // set when ended
}

// call is something that waits for frames. Its methods are called by the reading goroutine and must not wait.
type call interface {
	// frame takes one frame. over says that nothing more comes; an error breaks the connection.
	frame(f *wire.Frame) (over bool, err error)
	// fail ends the call.
	fail(err *core.Error)
}

// start starts a process and waits for its hello.
func (h *Host) start(ctx context.Context, launch wire.Launch) (*worker, wire.Hello, error) {
	w := &worker{
		runtime: launch.Runtime, cfg: &h.cfg, stderr: newStderr(ctx, h.cfg.Log, launch.Runtime), started: time.Now(),
		greeted: make(chan wire.Hello, 1), done: make(chan struct{}), calls: map[uint32]call{},
	}
	var err error
	w.process, err = proc.Start(ctx, proc.Spec{
		Path: h.cfg.Binary, Args: append(append([]string{}, h.cfg.Args...), launch.Args()...), Env: h.cfg.Env, Dir: h.cfg.Dir,
		Channel: true, Limits: h.cfg.Limits, Stdout: w.stderr, Stderr: w.stderr,
	})
	if err != nil {
		return nil, wire.Hello{}, err
	}
	w.conn = wire.NewConn(w.process.Channel())
	go w.run(context.WithoutCancel(ctx))
	timer := time.NewTimer(h.cfg.StartTimeout)
	defer timer.Stop()
	select {
	case hello := <-w.greeted:
		if err := h.check(hello, launch.Runtime); err != nil {
			w.discard()
			return nil, wire.Hello{}, err
		}
		go w.watch()
		return w, hello, nil
	case <-w.done:
		return nil, wire.Hello{}, core.Wrap(core.CodeUnavailable, w.exit,
			"The %s worker ended before it was ready (%s); the server's log has what it wrote.", w.runtime, word(w.exit.Class))
	case <-timer.C:
		w.kill(verdict{ClassHung, "it said nothing after its start"})
		return nil, wire.Hello{}, core.Wrap(core.CodeUnavailable, w.exit, "The %s worker was not ready within %s.", w.runtime, h.cfg.StartTimeout)
	case <-ctx.Done():
		w.discard()
		return nil, wire.Hello{}, core.AsError(ctx.Err())
	}
}

// check refuses a worker that is not this server's.
func (h *Host) check(hello wire.Hello, runtime string) error {
	switch {
	case hello.Protocol != wire.Protocol:
		return core.Errorf(core.CodeUnavailable, "The worker program %s speaks protocol %d and this server %d; install both from one release.", h.cfg.Binary, hello.Protocol, wire.Protocol)
	case hello.Build != h.cfg.Build:
		return core.Errorf(core.CodeUnavailable, "The worker program %s is build %q and this server is build %q; install both from one release.", h.cfg.Binary, hello.Build, h.cfg.Build)
	case hello.Runtime != runtime:
		return core.Errorf(core.CodeUnavailable, "The worker program %s serves the runtime %q instead of %q.", h.cfg.Binary, hello.Runtime, runtime)
	case hello.Environment != "" && hello.Environment != h.cfg.Locks[runtime]:
		return core.Errorf(core.CodeUnavailable, "The environment of the runtime %s was made for another release of this program; run `ashatai runtime install %s`.", runtime, runtime)
	}
	return nil
}

// kill ends the process and waits until it has ended. The verdict counts when it is the first.
func (w *worker) kill(v verdict) {
	w.blame(v)
	<-w.done
}

// discard ends a process that is not wanted any more and has nothing to lose.
func (w *worker) discard() {
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	w.kill(verdict{})
}

func (w *worker) blame(v verdict) {
	w.mu.Lock()
	if w.known.class == "" {
		w.known = v
	}
	w.mu.Unlock()
	_ = w.process.Kill()
}

// run reads until the channel ends, then sees the process to its end.
func (w *worker) run(ctx context.Context) {
	err := w.read()
	if e, ok := errors.AsType[*wire.BrokenError](err); ok {
		w.blame(verdict{ClassProtocol, e.Reason})
	}
	_ = w.conn.Close()
	timer := time.NewTimer(w.cfg.CloseGrace)
	defer timer.Stop()
	select {
	case <-w.process.Done():
	case <-timer.C:
		w.blame(verdict{proc.ClassKilled, "it closed its channel and did not end"})
		<-w.process.Done()
	}
	w.mu.Lock()
	w.exit = exitOf(w.process.Exit(), w.stderr.tail.String(), w.known)
	w.ended = true
	calls := w.calls
	w.calls = nil
	fault := w.gone()
	w.mu.Unlock()
	level := slog.LevelInfo
	if fault.Code == core.CodeWorkerDied {
		level = slog.LevelError
	}
	w.cfg.Log.LogAttrs(ctx, level, "worker ended", slog.String("runtime", w.runtime), slog.Int("pid", w.process.Pid()),
		slog.String("class", string(w.exit.Class)), slog.String("detail", w.exit.Detail), slog.Int("code", w.exit.Code))
	for _, c := range calls {
		c.fail(fault)
	}
	close(w.done)
}

// gone is what calls are told after the end. The lock is held.
func (w *worker) gone() *core.Error {
	if w.closing {
		return unloaded()
	}
	return w.died(w.exit)
}

// read takes frames until there are no more. The first must be hello.
func (w *worker) read() error {
	f, err := w.conn.Read()
	if err != nil {
		return err
	}
	if f.Kind != wire.KindHello {
		return &wire.BrokenError{Reason: "the first frame is " + f.Kind.String()}
	}
	var hello wire.Hello
	if err := f.Decode(&hello); err != nil {
		return err
	}
	w.seen.Store(int64(time.Since(w.started)))
	w.greeted <- hello
	for {
		if f, err = w.conn.Read(); err != nil {
			return err
		}
		w.seen.Store(int64(time.Since(w.started)))
		if err := w.dispatch(&f); err != nil {
			return err
		}
	}
}

func (w *worker) dispatch(f *wire.Frame) error {
	switch f.Kind { //nolint:exhaustive // all others belong to a call
	case wire.KindHeartbeat:
		return nil
	case wire.KindFatal:
		var v wire.Fatal
		if err := f.Decode(&v); err != nil {
			return err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.known.class == "" {
			w.known = verdict{proc.ClassPanic, v.Detail}
		}
		return nil
	}
	w.mu.Lock()
	c := w.calls[f.Call]
	last := w.last
	w.mu.Unlock()
	if c == nil {
		if f.Call == 0 || f.Call > last {
			return &wire.BrokenError{Reason: f.Kind.String() + " belongs to no call"}
		}
		return nil // cancelled here, still running there
	}
	over, err := c.frame(f)
	if err != nil {
		return err // the call is still known, so that the end of the connection reaches it
	}
	if over {
		w.forget(f.Call)
	}
	return nil
}

// watch kills a worker that is silent for too long.
func (w *worker) watch() {
	tick := time.NewTicker(max(w.cfg.HeartbeatTimeout/8, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-w.done:
			return
		case <-tick.C:
			if time.Since(w.started)-time.Duration(w.seen.Load()) > w.cfg.HeartbeatTimeout {
				w.blame(verdict{ClassHung, "no heartbeat for " + w.cfg.HeartbeatTimeout.String()})
				return
			}
		}
	}
}

// begin gives a call its number. It fails when the worker has ended.
func (w *worker) begin(c call) (uint32, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return 0, w.gone()
	}
	if w.closing {
		return 0, unloaded()
	}
	for w.last++; w.last == 0 || w.calls[w.last] != nil; w.last++ {
	}
	w.calls[w.last] = c
	return w.last, nil
}

func (w *worker) forget(number uint32) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, was := w.calls[number]
	delete(w.calls, number)
	return was
}

// cancel drops a call here and in the worker.
func (w *worker) cancel(number uint32) {
	if w.forget(number) {
		_ = w.conn.Send(wire.KindCancel, number, nil, nil)
	}
}

// close asks the process to end, and kills it after the grace.
func (w *worker) close() {
	w.mu.Lock()
	first := !w.closing
	w.closing = true
	w.mu.Unlock()
	if !first {
		<-w.done
		return
	}
	// A worker that does not read may make the sender wait; the channel's end frees it.
	go func() { _ = w.conn.Send(wire.KindClose, 0, nil, nil) }()
	timer := time.NewTimer(w.cfg.CloseGrace)
	defer timer.Stop()
	select {
	case <-w.done:
	case <-timer.C:
		w.kill(verdict{proc.ClassKilled, "it did not close within " + w.cfg.CloseGrace.String()})
	}
}
