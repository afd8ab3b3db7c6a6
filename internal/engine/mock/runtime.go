package mock

import (
	"context"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// New makes the runtime.
func New() engine.Runtime { return mockRuntime{} }

type mockRuntime struct{}

// Descriptor is constant.
func (mockRuntime) Descriptor() engine.Descriptor {
	return engine.Descriptor{
		Name: "mock", Title: "Mock", Formats: []string{"mock"},
		Capabilities: []core.Capability{core.CapChat, core.CapGenerate, core.CapEmbed, core.CapRerank}, Devices: []string{"cpu"}, Cost: 1000,
	}
}

// Probe is always ready: there is nothing to find.
func (mockRuntime) Probe(context.Context) engine.Status {
	return engine.Status{Ready: true, Version: "1", Device: "no device"}
}

const (
	defaultSequences = 4
	maxSequences     = 1024
	defaultBatch     = 256
	progressSteps    = 10
)

// Load reads the model file and behaves as its options say.
func (mockRuntime) Load(ctx context.Context, spec engine.LoadSpec, progress func(float64)) (engine.Model, error) {
	if spec.Sequences < 0 || spec.Sequences > maxSequences || spec.Context < 0 || spec.Batch < 0 || spec.Threads < 0 || spec.Memory < 0 {
		return nil, core.Errorf(core.CodeInvalidRequest, "A number of the load is out of range: none is negative, and sequences are at most %d.", maxSequences)
	}
	f, err := readFile(spec.Path)
	if err != nil {
		return nil, err
	}
	b := behaviour{crash: "abort", crashAfter: -1, hangAfter: -1, freezeAfter: -1, garbageAfter: -1}
	if err := b.setAll(f.Options); err != nil {
		return nil, err
	}
	if err := b.setAll(spec.Options); err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(float64) {}
	}
	for i := range progressSteps {
		progress(float64(i) / progressSteps)
		if err := pause(ctx, nil, b.loadDelay/progressSteps); err != nil {
			return nil, core.AsError(err)
		}
	}
	allocate(b.loadAllocate)
	if err := b.loadFailure(); err != nil {
		return nil, err
	}
	progress(1)
	if b.ignoreClose {
		signal.Ignore(syscall.SIGTERM)
	}
	return newModel(f, b, spec), nil
}

func (b *behaviour) loadFailure() error {
	switch b.failLoad {
	case "bad_model":
		return core.Errorf(core.CodeBadModel, "The mock model is broken because its options say so.")
	case "out_of_memory":
		return core.Errorf(core.CodeOutOfMemory, "The mock model does not fit into memory because its options say so.")
	case "unavailable":
		return core.Errorf(core.CodeUnavailable, "The mock model's library is missing because its options say so.")
	case "crash":
		crash(b.crash)
	}
	return nil
}

// pause waits; it ends early with the context's error, or with nil when stop closes.
func pause(ctx context.Context, stop <-chan struct{}, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stop:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// allocate takes n bytes and touches every page, so that they are really there, then drops them.
func allocate(n int64) {
	const step = 16 << 20
	var held [][]byte
	for ; n > 0; n -= step {
		b := make([]byte, min(n, step))
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		held = append(held, b)
	}
	runtime.KeepAlive(held)
}
