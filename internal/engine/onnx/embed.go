package onnx

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/native/ort"
	"ashatai/internal/tokenizer"
)

// embedder is how a model makes vectors of texts.
type embedder struct {
	context    int
	dimensions int
	output     int  // place of the output that is used
	pooled     bool // it is one vector per text already
	pad        int
	ids        string // names of the inputs; empty where the model has none of them
	mask       string
	kinds      string
}

const (
	defaultLimit = 512
	// tokensAtOnce bounds one run: rows times the longest of them.
	tokensAtOnce = 4096
)

func newEmbedder(f *files, inputs, outputs []core.TensorInfo, spec engine.LoadSpec) (*embedder, error) {
	if f.tokenizer == nil {
		return nil, core.Errorf(core.CodeBadModel, "The model has no tokenizer.json in its folder, so it cannot read text. Put the publisher's file there.")
	}
	e := &embedder{context: defaultLimit, dimensions: f.hidden}
	if f.limit > 0 {
		e.context = f.limit
	}
	if spec.Context > 0 {
		e.context = min(e.context, spec.Context)
	}
	for _, in := range inputs {
		switch in.Name {
		case "input_ids":
			e.ids = in.Name
		case "attention_mask":
			e.mask = in.Name
		case "token_type_ids":
			e.kinds = in.Name
		default:
			return nil, noEmbedder("it has the input %.80q besides input_ids, attention_mask and token_type_ids", in.Name)
		}
		if in.Type != core.Int64 || len(in.Shape) != 2 {
			return nil, noEmbedder("its input %.80q is %s %v instead of INT64 with two dimensions", in.Name, in.Type, in.Shape)
		}
	}
	if e.ids == "" {
		return nil, noEmbedder("it has no input %s", "input_ids")
	}
	return e, e.choose(f, outputs)
}

func noEmbedder(format string, args ...any) error {
	e := core.Errorf(core.CodeBadModel, format, args...)
	return core.Errorf(core.CodeBadModel, "The model makes no embeddings of text: %s. Use it by tensors.", e.Message)
}

// choose finds the output: one vector per text by its usual name, else one vector per token.
func (e *embedder) choose(f *files, outputs []core.TensorInfo) error {
	rank := func(names []string, n int) int {
		return slices.IndexFunc(outputs, func(o core.TensorInfo) bool {
			return o.Type == core.FP32 && len(o.Shape) == n && (names == nil || slices.Contains(names, o.Name))
		})
	}
	for _, c := range []struct {
		names []string
		rank  int
	}{{[]string{"sentence_embedding"}, 2}, {[]string{"last_hidden_state", "token_embeddings"}, 3}, {nil, 3}, {nil, 2}} {
		if e.output = rank(c.names, c.rank); e.output >= 0 {
			e.pooled = c.rank == 2
			break
		}
	}
	if e.output < 0 {
		return noEmbedder("it has no output of FP32 with two or three dimensions%s", "")
	}
	shape := outputs[e.output].Shape
	if last := shape[len(shape)-1]; last > 0 {
		e.dimensions = int(last)
	}
	if e.dimensions < 1 || e.dimensions > 1<<20 {
		return noEmbedder("the length of its vectors is not known; a config.json with hidden_size must lie beside %s", "it")
	}
	for _, pad := range []string{"[PAD]", "<pad>"} {
		if id, ok := f.tokenizer.ID(pad); ok {
			e.pad = id
			break
		}
	}
	return nil
}

// Tokenize implements engine.Tokenizer.
func (m *model) Tokenize(ctx context.Context, p engine.Prompt) ([]int, error) {
	if err := m.door.Alive(ctx); err != nil {
		return nil, err
	}
	return m.tokens(p)
}

// tokens reads and checks a prompt.
func (m *model) tokens(p engine.Prompt) ([]int, error) {
	t := m.files.tokenizer
	if t == nil {
		return nil, core.Errorf(core.CodeUnsupported, "This model has no tokenizer; it takes tensors.")
	}
	if p.Tokens != nil {
		for _, id := range p.Tokens {
			if _, ok := t.Token(id); !ok {
				return nil, core.Invalid("prompt", "The token id %d does not exist; this model has the ids 0 to %d.", id, t.Size()-1)
			}
		}
		return p.Tokens, nil
	}
	parts := make([]tokenizer.Part, len(p.Segments))
	for i, s := range p.Segments {
		parts[i] = tokenizer.Part{Text: s.Text, Plain: !s.Trusted}
	}
	if p.AddSpecial {
		e, err := t.Single(parts...)
		return e.IDs, err
	}
	ids, err := t.Encode(parts...)
	if ids == nil && err == nil {
		ids = []int{}
	}
	return ids, err
}

// Detokenize implements engine.Tokenizer. Special tokens have their spelling as text.
func (m *model) Detokenize(ctx context.Context, tokens []int) ([]byte, error) {
	if err := m.door.Alive(ctx); err != nil {
		return nil, err
	}
	if _, err := m.tokens(engine.Prompt{Tokens: tokens}); err != nil {
		return nil, err
	}
	s := m.files.tokenizer.Stream(func(int) bool { return true })
	out := []byte{}
	for _, id := range tokens {
		out = append(out, s.Bytes(id)...)
	}
	return out, nil
}

// Embed implements engine.Embedder.
func (m *model) Embed(ctx context.Context, prompts []engine.Prompt) ([][]float32, core.Usage, error) {
	var usage core.Usage
	if m.embed == nil {
		return nil, usage, core.Errorf(core.CodeUnsupported, "This model was loaded for tensors and makes no embeddings here.")
	}
	rows := make([]row, len(prompts))
	for i, p := range prompts {
		ids, err := m.tokens(p)
		switch {
		case err != nil:
			return nil, usage, err
		case len(ids) == 0:
			return nil, usage, core.Invalid("input", "Input %d has no tokens; an embedding needs some text.", i)
		case len(ids) > m.embed.context:
			return nil, usage, core.TooLong("input", fmt.Sprintf("input %d", i), core.Overflow{Prompt: len(ids), Context: m.embed.context})
		}
		rows[i] = row{ids: ids, place: i}
		usage.Prompt += len(ids)
	}
	if err := m.door.Enter(ctx); err != nil {
		return nil, usage, err
	}
	defer m.door.Leave()
	began := time.Now()
	vectors := make([][]float32, len(prompts))
	// Rows of about the same length go together, so that little is computed for nothing.
	slices.SortStableFunc(rows, func(a, b row) int { return len(a.ids) - len(b.ids) })
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && (n+1)*len(rows[n].ids) <= tokensAtOnce {
			n++
		}
		if err := m.vectors(ctx, rows[:n], vectors); err != nil {
			return nil, usage, err
		}
		rows = rows[n:]
	}
	m.prompt.Add(uint64(usage.Prompt)) //nolint:gosec // not negative
	usage.Prefill = time.Since(began)
	return vectors, usage, nil
}

// row is a text in tokens, and its place in the request.
type row struct {
	ids   []int
	place int
}

// vectors computes the vectors of some rows.
func (m *model) vectors(ctx context.Context, rows []row, to [][]float32) error {
	e := m.embed
	width := len(rows[len(rows)-1].ids)
	shape := []int64{int64(len(rows)), int64(width)}
	ids, mask := make([]byte, 0, 8*len(rows)*width), make([]byte, 0, 8*len(rows)*width)
	for _, r := range rows {
		for k := range width {
			id, real := e.pad, uint64(0)
			if k < len(r.ids) {
				id, real = r.ids[k], 1
			}
			ids = binary.LittleEndian.AppendUint64(ids, uint64(id)) //nolint:gosec // an id
			mask = binary.LittleEndian.AppendUint64(mask, real)
		}
	}
	inputs := []core.Tensor{{Name: e.ids, Type: core.Int64, Shape: shape, Data: ids}}
	if e.mask != "" {
		inputs = append(inputs, core.Tensor{Name: e.mask, Type: core.Int64, Shape: shape, Data: mask})
	}
	if e.kinds != "" {
		inputs = append(inputs, core.Tensor{Name: e.kinds, Type: core.Int64, Shape: shape, Data: make([]byte, len(ids))})
	}
	return m.run(ctx, inputs, []int{e.output}, func(values []*ort.Value) error {
		_, got, data, err := values[0].Data()
		if err != nil {
			return internal(err)
		}
		want := []int64{shape[0], shape[1], int64(e.dimensions)}
		if e.pooled {
			want = []int64{shape[0], int64(e.dimensions)}
		}
		if !slices.Equal(got, want) {
			return core.Errorf(core.CodeBadModel, "The model's vectors have the shape %v, where %v is expected; its files do not belong together.", got, want)
		}
		size := len(data) / len(rows)
		for i, r := range rows {
			to[r.place] = m.pool(data[i*size:(i+1)*size], len(r.ids))
		}
		return nil
	})
}

// pool makes one vector of unit length of the vectors of n tokens.
func (m *model) pool(data []byte, n int) []float32 {
	d := m.embed.dimensions
	at := func(token, i int) float64 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*(token*d+i):])))
	}
	from, to := 0, n
	switch {
	case m.embed.pooled || m.files.pooling == poolFirst:
		to = 1
	case m.files.pooling == poolLast:
		from = n - 1
	}
	sum := make([]float64, d)
	length := 0.0
	for i := range sum {
		sum[i] = at(from, i)
		for k := from + 1; k < to; k++ {
			if m.files.pooling == poolMax {
				sum[i] = max(sum[i], at(k, i))
			} else {
				sum[i] += at(k, i)
			}
		}
		length += sum[i] * sum[i]
	}
	v := make([]float32, d)
	if length = math.Sqrt(length); length == 0 {
		v[0] = 1
		return v
	}
	for i := range v {
		v[i] = float32(sum[i] / length)
	}
	return v
}
