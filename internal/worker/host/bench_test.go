package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/mock"
)

// streaming is a runtime that computes nothing: its models hand over one event after the other, as llamacpp's do, each with the
// time at which it was made, and the time of a request's id apart.
type streaming struct{ engine.Runtime }

func (s streaming) Descriptor() engine.Descriptor {
	d := s.Runtime.Descriptor()
	d.Name = "streaming"
	return d
}

func (s streaming) Load(ctx context.Context, spec engine.LoadSpec, progress func(float64)) (engine.Model, error) {
	m, err := s.Runtime.Load(ctx, spec, progress)
	return streamingModel{Model: m}, err
}

type streamingModel struct {
	engine.Model
	engine.Generator
}

func (streamingModel) Facts() engine.Facts {
	return engine.Facts{Runtime: "streaming", Context: 1 << 30}
}

func (streamingModel) Push(ctx context.Context, req engine.GenerateRequest, to engine.Sink) error {
	pause, err := time.ParseDuration(req.ID)
	if err != nil {
		return err
	}
	tick := time.NewTicker(max(pause, 1))
	defer tick.Stop()
	to.Accept()
	for ctx.Err() == nil {
		to.Event(core.Event{Count: 1, Text: strconv.FormatInt(time.Now().UnixNano(), 10)})
		to.Flush()
		if pause > 0 {
			<-tick.C
		}
	}
	to.End(core.AsError(ctx.Err()))
	return nil
}

// BenchmarkStreamedToken is what a streamed token costs besides the model: its frame, the socket pair between two processes, and
// the event that the caller of Generate gets. Tokens come as fast as they are taken; or one each 4 ms, as those of a model, where
// both sides sleep in between and each token wakes them, and the figure is the time that it is on its way.
func BenchmarkStreamedToken(b *testing.B) {
	m, err := New(config(b, "good")).Runtime("streaming", mock.New().Descriptor()).Load(b.Context(), spec(b, nil), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	w, ok := m.(*model)
	if !ok {
		b.Fatalf("%T", m)
	}
	b.Run("at once", func(b *testing.B) { streamed(b, w, 0) })
	b.Run("each 4 ms", func(b *testing.B) {
		took := streamed(b, w, 4*time.Millisecond)
		slices.Sort(took)
		b.ReportMetric(0, "ns/op") // it is the pause
		b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "ns/token")
		b.ReportMetric(float64(took[len(took)*95/100].Nanoseconds()), "p95-ns/token")
	})
}

// streamed takes tokens of one request, and returns how long each was on its way.
func streamed(b *testing.B, m *model, pause time.Duration) []time.Duration {
	b.Helper()
	req := ask("go on")
	req.ID = pause.String()
	events, err := m.Generate(b.Context(), req)
	if err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	var before time.Duration
	b.ReportAllocs()
	for ev, err := range events {
		if err != nil {
			b.Fatal(err)
		}
		if took == nil {
			before = computed(m.PID())
		}
		if !b.Loop() {
			break
		}
		sent, err := strconv.ParseInt(ev.Text, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Duration(time.Now().UnixNano()-sent))
	}
	if spent := computed(m.PID()) - before; spent > 0 {
		b.ReportMetric(float64(spent.Nanoseconds())/float64(len(took)), "cpu-ns/token")
	}
	return took
}

// computed is the time that the threads of this process and of another have computed, where Linux tells it.
func computed(pid int) time.Duration {
	var sum time.Duration
	for _, p := range []int{os.Getpid(), pid} {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p))
		for _, f := range files {
			text, _ := os.ReadFile(f) // a thread may have ended
			first, _, _ := strings.Cut(string(text), " ")
			n, _ := strconv.ParseInt(first, 10, 64)
			sum += time.Duration(n)
		}
	}
	return sum
}
