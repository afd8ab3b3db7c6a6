package onnx

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/door"
	"ashatai/internal/native/ort"
)

// model is a loaded model. Calls run in their callers' goroutines, at most as many at once as it has sequences.
type model struct {
	lib     *ort.Library
	session *ort.Session
	facts   engine.Facts
	files   *files
	embed   *embedder // nil: the model was not loaded for embeddings
	causal  *causal   // nil: the model makes no text, or was loaded for embeddings
	door    *door.Door

	prompt, generated atomic.Uint64
}

func newModel(lib *ort.Library, s *ort.Session, f *files, spec engine.LoadSpec, threads int) (*model, error) {
	m := &model{lib: lib, session: s, files: f}
	inputs, err := infos(s.Inputs)
	if err != nil {
		return nil, err
	}
	outputs, err := infos(s.Outputs)
	if err != nil {
		return nil, err
	}
	m.facts = engine.Facts{
		Runtime: "onnx", Device: "cpu", Context: 1, Sequences: max(spec.Sequences, 1), Batch: 1, Threads: threads, Vocabulary: 0,
		Memory: engine.Memory{Weights: max(f.model.Weights, 1), Compute: computeReserve}, Capabilities: []core.Capability{core.CapTensors},
		Inputs: inputs, Outputs: outputs, Labels: f.labels,
	}
	m.door = door.New(m.facts.Sequences)
	if !spec.Embedding {
		if f.generation.names.remembers(inputs) {
			return m, m.makeText(spec)
		}
		return m, nil
	}
	if m.embed, err = newEmbedder(f, inputs, outputs, spec); err != nil {
		return nil, err
	}
	m.facts.Capabilities = append(m.facts.Capabilities, core.CapEmbed)
	m.facts.Context, m.facts.Batch, m.facts.Dimensions, m.facts.Vocabulary = m.embed.context, m.embed.context, m.embed.dimensions, f.tokenizer.Size()
	return m, nil
}

// makeText has the model make text.
func (m *model) makeText(spec engine.LoadSpec) (err error) {
	f := &m.facts
	if m.causal, err = newCausal(m.files, f.Inputs, f.Outputs, spec); err != nil {
		return err
	}
	f.Capabilities = append(f.Capabilities, core.CapGenerate)
	f.Context, f.Batch, f.Vocabulary = m.causal.context, m.causal.batch, m.files.tokenizer.Size()
	// A step holds the keys and values from before it beside those that it makes.
	f.Memory.KV = 2 * int64(f.Sequences) * int64(f.Context) * m.causal.perToken()
	if total := f.Memory.Total(); spec.Memory > 0 && total > spec.Memory {
		return core.Errorf(core.CodeOutOfMemory, "The model needs %d MiB with %d sequences of %d tokens, and %d MiB are allowed for it. Use a shorter context or fewer sequences, or raise fleet.memory_budget.", total>>20, f.Sequences, f.Context, spec.Memory>>20)
	}
	return nil
}

// Facts implements engine.Model.
func (m *model) Facts() engine.Facts {
	f := m.facts
	f.Capabilities, f.Inputs, f.Outputs = slices.Clone(f.Capabilities), slices.Clone(f.Inputs), slices.Clone(f.Outputs)
	return f
}

// Close implements engine.Model. What computes is told to end, and waited for.
func (m *model) Close() error {
	m.door.Close(m.session.Close)
	return nil
}

// Infer implements engine.TensorModel.
func (m *model) Infer(ctx context.Context, inputs []core.Tensor, outputs []string) ([]core.Tensor, error) {
	if err := core.Fits(m.facts.Inputs, inputs); err != nil {
		return nil, err
	}
	places, err := core.Wanted(m.facts.Outputs, outputs)
	if err != nil {
		return nil, err
	}
	if err := m.door.Enter(ctx); err != nil {
		return nil, err
	}
	defer m.door.Leave()
	var answer []core.Tensor
	err = m.run(ctx, inputs, places, func(values []*ort.Value) error {
		for i, v := range values {
			t, err := tensorOf(m.facts.Outputs[places[i]], v)
			if err != nil {
				return err
			}
			answer = append(answer, t)
		}
		return nil
	})
	return answer, err
}

// run computes the outputs at some places, and hands them to use, after which they are gone. The caller has entered.
func (m *model) run(ctx context.Context, inputs []core.Tensor, places []int, use func([]*ort.Value) error) error {
	outputs := make([]string, len(places))
	for i, k := range places {
		outputs[i] = m.facts.Outputs[k].Name
	}
	values, err := m.compute(ctx, inputs, nil, outputs)
	if err != nil {
		return err
	}
	defer func() {
		for _, v := range values {
			v.Close()
		}
	}()
	return use(values)
}

// compute runs the model on tensors and values until it is done, ctx ends or the model is closed. The caller closes what it gets.
func (m *model) compute(ctx context.Context, tensors []core.Tensor, values []ort.Input, outputs []string) ([]*ort.Value, error) {
	inputs := make([]ort.Input, 0, len(tensors)+len(values))
	for _, t := range tensors {
		v, err := m.value(t)
		if err != nil {
			return nil, internal(err)
		}
		defer v.Close() //nolint:revive // they live as long as the run
		inputs = append(inputs, ort.Input{Name: t.Name, Value: v})
	}
	stop, err := m.lib.NewStop()
	if err != nil {
		return nil, internal(err)
	}
	defer stop.Close()
	end := func() { _ = stop.Now() } // a run that cannot be ended ends by itself
	still := context.AfterFunc(ctx, end)
	defer still()
	forget := m.door.OnClose(end)
	defer forget()
	began := time.Now()
	made, err := m.session.Run(stop, append(inputs, values...), outputs)
	m.door.Computed(began)
	if gone := m.door.Alive(ctx); gone != nil {
		for _, v := range made {
			v.Close()
		}
		return nil, gone
	}
	if err != nil {
		return nil, core.Wrap(core.CodeInvalidRequest, err, "ONNX Runtime refused the input: %s.", reason(err))
	}
	return made, nil
}

func internal(err error) error {
	return core.Wrap(core.CodeInternal, err, "ONNX Runtime failed: %s.", reason(err))
}

func (m *model) value(t core.Tensor) (*ort.Value, error) {
	if t.Type == core.Bytes {
		return m.lib.Texts(t.Shape, core.Texts(t.Data))
	}
	return m.lib.Over(types()[t.Type], t.Shape, t.Data)
}

// tensorOf copies a value of the type that the output has.
func tensorOf(o core.TensorInfo, v *ort.Value) (t core.Tensor, err error) {
	t.Name = o.Name
	if o.Type == core.Bytes {
		t.Type = core.Bytes
		t.Shape, t.Data, err = v.Texts()
	} else {
		var view []byte
		var typ int
		typ, t.Shape, view, err = v.Data()
		t.Type, t.Data = typeOf(typ), append([]byte{}, view...)
	}
	if err != nil {
		return core.Tensor{}, internal(err)
	}
	return t, nil
}

// Stats implements engine.Statter.
func (m *model) Stats(ctx context.Context) (engine.Stats, error) {
	s, err := m.door.Stats(ctx)
	s.Threads, s.Prompt, s.Generated = m.facts.Threads, m.prompt.Load(), m.generated.Load()
	return s, err
}
