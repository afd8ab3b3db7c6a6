package serve

import (
	"context"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/worker/wire"
)

// pushing is a runtime whose models hand their events over by themselves, score documents, and keep their share.
type pushing struct{ engine.Runtime }

func (pushing) Descriptor() engine.Descriptor { return engine.Descriptor{Name: "pushing"} }

func (pushing) Load(context.Context, engine.LoadSpec, func(float64)) (engine.Model, error) {
	return &pushingModel{}, nil
}

type pushingModel struct {
	engine.Generator

	share int
}

func (*pushingModel) Facts() engine.Facts { return engine.Facts{} }
func (*pushingModel) Close() error        { return nil }
func (m *pushingModel) Share(n int)       { m.share = n }

func (m *pushingModel) Push(_ context.Context, req engine.GenerateRequest, to engine.Sink) error {
	if req.Choices != 1 {
		return core.Invalid("n", "One at a time.")
	}
	to.Accept()
	to.Event(core.Event{Text: "a"})
	to.Event(core.Event{Text: "b"})
	to.Flush()
	if req.MaxTokens == 1 {
		to.End(core.Errorf(core.CodeDeadline, "Too late."))
		return nil
	}
	to.Event(core.Event{Finish: core.FinishStop})
	to.Event(core.Event{Usage: &core.Usage{Completion: m.share}})
	to.Flush()
	to.End(nil)
	return nil
}

func (*pushingModel) Rerank(_ context.Context, query string, documents []string) ([]float32, core.Usage, error) {
	var out []float32
	for _, d := range documents {
		out = append(out, float32(len(d))/float32(len(query)))
	}
	return out, core.Usage{Prompt: len(documents)}, nil
}

func TestModelsThatPush(t *testing.T) {
	l := launch()
	l.Runtime = "pushing"
	p := run(t, l, pushing{})
	p.load(nil)
	p.send(wire.KindShare, wire.Share{Processors: 3}, nil)
	p.send(wire.KindGenerate, request("x"), nil)
	p.want(wire.KindAccepted)
	var text strings.Builder
	completed := 0
	for range 4 {
		f := p.want(wire.KindEvent)
		e, err := f.Event()
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(e.Text)
		if e.Usage != nil {
			completed = e.Usage.Completion
		}
	}
	p.want(wire.KindEnd)
	if text.String() != "ab" || completed != 3 {
		t.Errorf("%q, with a share of %d", text.String(), completed)
	}

	late := request("x")
	late.Request.MaxTokens = 1
	p.send(wire.KindGenerate, late, nil)
	p.want(wire.KindAccepted)
	p.want(wire.KindEvent)
	p.want(wire.KindEvent)
	p.wantError(core.CodeDeadline)
	late.Request.Choices = 2
	p.send(wire.KindGenerate, late, nil)
	p.wantError(core.CodeInvalidRequest)

	p.send(wire.KindRerank, wire.Rerank{Query: "four", Documents: []string{"ab", "abcd"}}, nil)
	f := p.want(wire.KindVectors)
	var h wire.Vectors
	if err := f.Decode(&h); err != nil || h.Count != 2 || h.Usage.Prompt != 2 {
		t.Fatalf("%+v, %v", h, err)
	}
	if v, err := wire.Floats(f.Tail, h.Count, h.Dimensions); err != nil || v[0][0] != 0.5 || v[1][0] != 1 {
		t.Errorf("%v, %v", v, err)
	}
	p.send(wire.KindTokenize, wire.Tokenize{}, nil)
	p.wantError(core.CodeUnsupported)
	p.send(wire.KindStats, nil, nil)
	p.wantError(core.CodeUnsupported)
}
