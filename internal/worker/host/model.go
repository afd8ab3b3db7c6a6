package host

import (
	"context"
	"slices"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/worker/wire"
)

// model is a loaded model in its worker.
type model struct {
	w     *worker
	hello wire.Hello
	facts engine.Facts
}

// Facts is what the worker measured after the load.
func (m *model) Facts() engine.Facts {
	f := m.facts
	f.Capabilities = slices.Clone(f.Capabilities)
	return f
}

// Close ends the worker: it is asked, and killed after the grace.
func (m *model) Close() error {
	m.w.close()
	return nil
}

// Done is closed when the worker has ended, for whatever reason.
func (m *model) Done() <-chan struct{} { return m.w.done }

// Exit is why the worker ended: nil while it runs and after a Close that it obeyed, else a core.Error of CodeWorkerDied with
// an *Exit in its chain.
func (m *model) Exit() error {
	select {
	case <-m.w.done:
	default:
		return nil
	}
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	if m.w.closing && m.w.exit.Class == "clean" {
		return nil
	}
	return m.w.died(m.w.exit)
}

// PID is the worker's process number.
func (m *model) PID() int { return m.w.process.Pid() }

// Tier is the sandbox that the worker says it is in.
func (m *model) Tier() string { return m.hello.Tier }

// Embed asks for vectors.
func (m *model) Embed(ctx context.Context, prompts []engine.Prompt) ([][]float32, core.Usage, error) {
	var vectors [][]float32
	var usage core.Usage
	err := m.w.ask(ctx, wire.KindEmbed, wire.Embed{Prompts: prompts, TimeoutMS: timeoutMS(ctx)}, nil, func(f *wire.Frame) (bool, error) {
		if f.Kind != wire.KindVectors {
			return true, &wire.BrokenError{Reason: "the answer to embed is " + f.Kind.String()}
		}
		var h wire.Vectors
		if err := f.Decode(&h); err != nil {
			return true, err
		}
		part, err := wire.Floats(f.Tail, h.Count, h.Dimensions)
		if err != nil {
			return true, err
		}
		if vectors = append(vectors, part...); len(vectors) > len(prompts) || !h.More && len(vectors) < len(prompts) {
			return true, &wire.BrokenError{Reason: "the number of vectors is not that of the prompts"}
		}
		usage = core.Usage(h.Usage)
		return !h.More, nil
	})
	if err != nil {
		return nil, core.Usage{}, err
	}
	return vectors, usage, nil
}

// Rerank asks for the scores of documents.
func (m *model) Rerank(ctx context.Context, query string, documents []string) ([]float32, core.Usage, error) {
	scores := make([]float32, 0, len(documents))
	var usage core.Usage
	ask := wire.Rerank{Query: query, Documents: documents, TimeoutMS: timeoutMS(ctx)}
	err := m.w.ask(ctx, wire.KindRerank, ask, nil, only(wire.KindVectors, func(f *wire.Frame) error {
		var h wire.Vectors
		if err := f.Decode(&h); err != nil {
			return err
		}
		list, err := wire.Floats(f.Tail, h.Count, h.Dimensions)
		if err != nil {
			return err
		}
		if len(list) != len(documents) || h.Dimensions != 1 {
			return &wire.BrokenError{Reason: "the number of scores is not that of the documents"}
		}
		for _, v := range list {
			scores = append(scores, v[0])
		}
		usage = core.Usage(h.Usage)
		return nil
	}))
	if err != nil {
		return nil, core.Usage{}, err
	}
	return scores, usage, nil
}

// Infer asks for tensors.
func (m *model) Infer(ctx context.Context, inputs []core.Tensor, outputs []string) ([]core.Tensor, error) {
	for i := range inputs {
		if err := inputs[i].Check(); err != nil { // a frame of it would be broken, and end the worker
			return nil, err
		}
	}
	head, tail, rest, err := wire.TensorsOut(inputs, wire.MaxTensors)
	if err == nil && len(rest) > 0 {
		err = core.Errorf(core.CodeTooLarge, "The tensors are too large for one request; a worker takes %d MiB at once.", wire.MaxTensors>>20)
	}
	if err != nil {
		return nil, err
	}
	got := gathered{room: maxAnswer}
	if err = m.w.ask(ctx, wire.KindInfer, wire.Infer{Inputs: head, Outputs: outputs, TimeoutMS: timeoutMS(ctx)}, tail, got.take); err != nil {
		return nil, err
	}
	if got.room < 0 {
		return nil, core.Errorf(core.CodeTooLarge, "The model's answer has more than %d MiB. Ask for fewer outputs, or with smaller inputs.", maxAnswer>>20)
	}
	return got.tensors, nil
}

// maxAnswer is how much of the server's memory the tensors of one answer may take, whatever a worker sends.
const maxAnswer = 1 << 30

// gathered are the tensors of an answer, as they come.
type gathered struct {
	tensors []core.Tensor
	room    int // bytes that may still come; below 0: too many came, and the rest is not read
}

func (g *gathered) take(f *wire.Frame) (over bool, err error) {
	if f.Kind != wire.KindTensors {
		return true, &wire.BrokenError{Reason: "the answer to infer is " + f.Kind.String()}
	}
	if g.room -= len(f.Header) + len(f.Tail); g.room < 0 {
		g.tensors = nil
		return true, nil
	}
	var h wire.Tensors
	if err := f.Decode(&h); err != nil {
		return true, err
	}
	part, err := wire.TensorsIn(h.Tensors, f)
	if err != nil {
		return true, err
	}
	g.tensors = append(g.tensors, part...)
	return !h.More, nil
}

// Tokenize asks for token ids.
func (m *model) Tokenize(ctx context.Context, p engine.Prompt) ([]int, error) {
	var ids []int
	err := m.w.ask(ctx, wire.KindTokenize, wire.Tokenize{Prompt: p}, nil, only(wire.KindTokens, func(f *wire.Frame) (err error) {
		ids, err = wire.Tokens(f.Tail)
		return err
	}))
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// Detokenize asks for the bytes of tokens.
func (m *model) Detokenize(ctx context.Context, tokens []int) ([]byte, error) {
	var text []byte
	err := m.w.ask(ctx, wire.KindDetokenize, nil, [][]byte{wire.AppendTokens(nil, tokens)}, only(wire.KindBytes, func(f *wire.Frame) error {
		text = append([]byte{}, f.Tail...)
		return nil
	}))
	if err != nil {
		return nil, err
	}
	return text, nil
}

// Share tells how many processors the model may use. A worker that cannot be told is about to end.
func (m *model) Share(processors int) {
	_ = m.w.conn.Send(wire.KindShare, 0, wire.Share{Processors: processors}, nil)
}

// Stats asks for the live figures.
func (m *model) Stats(ctx context.Context) (engine.Stats, error) {
	var h wire.Stats
	err := m.w.ask(ctx, wire.KindStats, nil, nil, only(wire.KindStatsNow, func(f *wire.Frame) error { return f.Decode(&h) }))
	if err != nil {
		return engine.Stats{}, err
	}
	return h.Stats, nil
}
