package serve

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/mock"
	"ashatai/internal/worker/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is the server's end of a worker that runs in this process.
type peer struct {
	t    *testing.T
	conn *wire.Conn
	code chan int
	log  *bytes.Buffer
	next uint32
}

func run(t *testing.T, launch wire.Launch, runtimes ...engine.Runtime) *peer {
	t.Helper()
	a, b := net.Pipe()
	p := &peer{t: t, conn: wire.NewConn(a), code: make(chan int, 1), log: &bytes.Buffer{}}
	opt := Options{Build: "b", Runtimes: append(runtimes, mock.New()), Log: slog.New(slog.NewTextHandler(p.log, nil))}
	go func() { p.code <- Run(context.WithoutCancel(t.Context()), b, launch, "some tier", opt) }()
	t.Cleanup(func() { _ = p.conn.Close() })
	return p
}

func launch() wire.Launch { return wire.Launch{Runtime: "mock", Heartbeat: time.Minute} }

func (p *peer) send(kind wire.Kind, header any, tail []byte) uint32 {
	p.t.Helper()
	p.next++
	if err := p.conn.Send(kind, p.next, header, tail); err != nil {
		p.t.Fatal(err)
	}
	return p.next
}

// want reads the next frame that is no progress.
func (p *peer) want(kind wire.Kind) wire.Frame {
	p.t.Helper()
	for {
		f, err := p.conn.Read()
		if err != nil {
			p.t.Fatalf("waiting for %s: %v", kind, err)
		}
		if f.Kind == wire.KindProgress {
			continue
		}
		if f.Kind != kind {
			p.t.Fatalf("got %s %s, want %s", f.Kind, f.Header, kind)
		}
		return f
	}
}

func (p *peer) wantError(code core.Code) {
	p.t.Helper()
	var e wire.Error
	f := p.want(wire.KindError)
	if err := f.Decode(&e); err != nil || e.Code != code {
		p.t.Errorf("got %+v, %v; want %s", e, err, code)
	}
}

func (p *peer) wantExit(code int) {
	p.t.Helper()
	// What the worker still says must be taken, or it waits for that.
	go func() {
		for {
			if _, err := p.conn.Read(); err != nil {
				return
			}
		}
	}()
	select {
	case got := <-p.code:
		if got != code {
			p.t.Errorf("exit code %d, want %d; log:\n%s", got, code, p.log)
		}
	case <-time.After(20 * time.Second):
		p.t.Fatal("the worker does not end")
	}
}

func (p *peer) load(o map[string]string) {
	p.t.Helper()
	path := filepath.Join(p.t.TempDir(), "model")
	if err := os.WriteFile(path, []byte(`{"format":"mock"}`), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.want(wire.KindHello)
	p.send(wire.KindLoad, wire.Load{Spec: engine.LoadSpec{Path: path, Options: o}}, nil)
	p.want(wire.KindLoaded)
}

func request(text string) wire.Generate {
	return wire.Generate{Request: engine.GenerateRequest{
		Prompt: engine.Prompt{Segments: []engine.Segment{{Text: text}}}, Choices: 1, Sampling: engine.Sampling{TopP: 1, TypicalP: 1, RepeatPenalty: 1},
	}}
}

func TestHelloComesFirst(t *testing.T) {
	p := run(t, launch())
	var h wire.Hello
	f := p.want(wire.KindHello)
	if err := f.Decode(&h); err != nil {
		t.Fatal(err)
	}
	if h.Protocol != wire.Protocol || h.Build != "b" || h.Runtime != "mock" || h.Tier != "some tier" || h.PID != os.Getpid() || h.Descriptor.Title != "Mock" {
		t.Errorf("hello %+v", h)
	}
	p.send(wire.KindProbe, nil, nil)
	var st wire.Status
	f = p.want(wire.KindStatus)
	if err := f.Decode(&st); err != nil || !st.Ready {
		t.Errorf("status %+v, %v", st, err)
	}
	p.send(wire.KindClose, nil, nil)
	p.wantExit(wire.ExitClean)
}

func TestHeartbeatsComeByThemselves(t *testing.T) {
	l := launch()
	l.Heartbeat = wire.MinHeartbeat
	p := run(t, l)
	p.want(wire.KindHello)
	for range 3 {
		p.want(wire.KindHeartbeat)
	}
	_ = p.conn.Close()
	p.wantExit(wire.ExitClean)
}

func TestUnknownRuntime(t *testing.T) {
	p := run(t, wire.Launch{Runtime: "none", Heartbeat: time.Minute})
	p.wantExit(wire.ExitUsage)
}

func TestCallsBeforeTheModelAreRefused(t *testing.T) {
	p := run(t, launch())
	p.want(wire.KindHello)
	for _, c := range []struct {
		kind   wire.Kind
		header any
	}{
		{wire.KindGenerate, request("x")},
		{wire.KindEmbed, wire.Embed{}},
		{wire.KindTokenize, wire.Tokenize{}},
		{wire.KindDetokenize, nil},
		{wire.KindStats, nil},
	} {
		p.send(c.kind, c.header, nil)
		p.wantError(core.CodeUnavailable)
	}
}

func TestOneModelPerWorker(t *testing.T) {
	p := run(t, launch())
	p.load(nil)
	p.send(wire.KindLoad, wire.Load{}, nil)
	p.wantError(core.CodeConflict)
}

func TestStreamInOrder(t *testing.T) {
	p := run(t, launch())
	p.load(nil)
	call := p.send(wire.KindGenerate, request("#mock reply=one two three"), nil)
	p.want(wire.KindAccepted)
	var text strings.Builder
	usage := false
	for {
		f, err := p.conn.Read()
		if err != nil {
			t.Fatal(err)
		}
		if f.Call != call {
			t.Errorf("call %d", f.Call)
		}
		if f.Kind == wire.KindEnd {
			break
		}
		ev, err := f.Event()
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(ev.Text)
		usage = usage || ev.Usage != nil
	}
	if text.String() != "one two three" || !usage {
		t.Errorf("text %q, usage %v", text.String(), usage)
	}
}

func TestCancelAndDeadline(t *testing.T) {
	p := run(t, launch())
	p.load(map[string]string{"token_delay": "1m"})
	call := p.send(wire.KindGenerate, request("x"), nil)
	p.want(wire.KindAccepted)
	for range 2 { // the second comes too late, which is no error
		if err := p.conn.Send(wire.KindCancel, call, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	p.wantError(core.CodeCancelled)
	g := request("x")
	g.TimeoutMS = 20
	p.send(wire.KindGenerate, g, nil)
	p.want(wire.KindAccepted)
	p.wantError(core.CodeDeadline)
}

func TestClosedChannelEndsARunningModel(t *testing.T) {
	p := run(t, launch())
	p.load(map[string]string{"token_delay": "1m"})
	p.send(wire.KindGenerate, request("x"), nil)
	p.want(wire.KindAccepted)
	_ = p.conn.Close()
	p.wantExit(wire.ExitClean)
}

func TestProtocolBreaksEndTheWorker(t *testing.T) {
	for name, breakIt := range map[string]func(p *peer){
		"own kind":      func(p *peer) { p.send(wire.KindHello, nil, nil) },
		"bad header":    func(p *peer) { p.send(wire.KindGenerate, map[string]int{"no": 1}, nil) },
		"bad tail":      func(p *peer) { p.send(wire.KindDetokenize, nil, []byte("abc")) },
		"bad time":      func(p *peer) { p.send(wire.KindEmbed, wire.Embed{TimeoutMS: -1}, nil) },
		"bad tensors":   func(p *peer) { p.send(wire.KindInfer, wire.Infer{}, []byte{1}) },
		"far too late":  func(p *peer) { p.send(wire.KindEmbed, wire.Embed{TimeoutMS: 1 << 60}, nil) },
		"no share":      func(p *peer) { p.send(wire.KindShare, wire.Share{}, nil) },
		"call in twice": func(p *peer) { p.twice() },
	} {
		t.Run(name, func(t *testing.T) {
			p := run(t, launch())
			p.t = t
			p.want(wire.KindHello)
			breakIt(p)
			p.wantExit(wire.ExitProtocol)
			if !strings.Contains(p.log.String(), "broke the protocol") {
				t.Errorf("log:\n%s", p.log)
			}
		})
	}
}

// twice loads slowly and uses the number of that call again.
func (p *peer) twice() {
	path := filepath.Join(p.t.TempDir(), "model")
	if err := os.WriteFile(path, []byte(`{"format":"mock"}`), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.send(wire.KindLoad, wire.Load{Spec: engine.LoadSpec{Path: path, Options: map[string]string{"load_delay": "1m"}}}, nil)
	if _, err := p.conn.Read(); err != nil { // its first progress
		p.t.Fatal(err)
	}
	p.next--
	p.send(wire.KindStats, nil, nil)
}

// odd is a runtime whose models do wrong things.
type odd struct{ engine.Runtime }

func (o odd) Descriptor() engine.Descriptor { return engine.Descriptor{Name: "odd"} }

func (o odd) Load(context.Context, engine.LoadSpec, func(float64)) (engine.Model, error) {
	return &oddModel{}, nil
}

type oddModel struct{ engine.Model }

func (*oddModel) Facts() engine.Facts { return engine.Facts{} }

func (*oddModel) Close() error { return os.ErrInvalid }

func (*oddModel) Embed(_ context.Context, prompts []engine.Prompt) ([][]float32, core.Usage, error) {
	if len(prompts) == 1 {
		panic("no embeddings today")
	}
	var out [][]float32
	for i := range prompts {
		if len(prompts) == 2 {
			out = append(out, make([]float32, i+1))
		} else {
			out = append(out, make([]float32, 1<<20))
			out[i][0] = float32(i)
		}
	}
	return out, core.Usage{Prompt: 9}, nil
}

// Infer gives its inputs back, each twice.
func (*oddModel) Infer(_ context.Context, inputs []core.Tensor, outputs []string) ([]core.Tensor, error) {
	if len(outputs) > 0 {
		return nil, core.Invalid("outputs", "There is no %s.", outputs[0])
	}
	return append(inputs, inputs...), nil
}

func TestTensorsCrossTheChannel(t *testing.T) {
	l := launch()
	l.Runtime = "odd"
	p := run(t, l, odd{})
	p.load(nil)
	const size = 12 << 20
	head := []wire.TensorHead{{Name: "a", Type: core.Uint8, Shape: []int64{size}, Size: size}}
	p.send(wire.KindInfer, wire.Infer{Inputs: head}, bytes.Repeat([]byte{7}, size))
	var got []core.Tensor
	frames := 0
	for more := true; more; frames++ {
		var h wire.Tensors
		f := p.want(wire.KindTensors)
		if err := f.Decode(&h); err != nil {
			t.Fatal(err)
		}
		part, err := wire.TensorsIn(h.Tensors, &f)
		if err != nil {
			t.Fatal(err)
		}
		got, more = append(got, part...), h.More
	}
	if len(got) != 2 || frames != 2 || got[1].Data[size-1] != 7 {
		t.Errorf("%d tensors in %d frames", len(got), frames)
	}
	p.send(wire.KindInfer, wire.Infer{Outputs: []string{"x"}}, nil)
	p.wantError(core.CodeInvalidRequest)
}

func TestOddRuntime(t *testing.T) {
	l := launch()
	l.Runtime = "odd"
	p := run(t, l, odd{})
	p.load(nil)
	p.send(wire.KindTokenize, wire.Tokenize{}, nil)
	p.wantError(core.CodeUnsupported)
	p.send(wire.KindEmbed, wire.Embed{Prompts: make([]engine.Prompt, 2)}, nil)
	p.wantError(core.CodeInternal)

	p.send(wire.KindEmbed, wire.Embed{Prompts: make([]engine.Prompt, 5)}, nil)
	n, frames := 0, 0
	for more := true; more; frames++ {
		var h wire.Vectors
		f := p.want(wire.KindVectors)
		if err := f.Decode(&h); err != nil {
			t.Fatal(err)
		}
		v, err := wire.Floats(f.Tail, h.Count, h.Dimensions)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range v {
			if x[0] != float32(n) {
				t.Errorf("vector %d is %v", n, x[0])
			}
			n++
		}
		if more = h.More; !more && h.Usage.Prompt != 9 {
			t.Errorf("usage %+v", h.Usage)
		}
	}
	if n != 5 || frames != 3 {
		t.Errorf("%d vectors in %d frames", n, frames)
	}

	p.send(wire.KindEmbed, wire.Embed{Prompts: make([]engine.Prompt, 1)}, nil)
	var fatal wire.Fatal
	f := p.want(wire.KindFatal)
	if err := f.Decode(&fatal); err != nil || fatal.Detail != "no embeddings today" {
		t.Errorf("fatal %+v, %v", fatal, err)
	}
	p.wantExit(wire.ExitPanic)
}

func TestMainRefusesWrongArguments(t *testing.T) {
	opt := Options{Log: slog.New(slog.DiscardHandler)}
	for _, args := range [][]string{nil, {"worker"}, {"worker", "--runtime="}, {"worker", "--sandboxed=limits", "--no"}} {
		if code := Main(t.Context(), args, opt); code != wire.ExitUsage {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}
