package e2e_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/gguf"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/onnxfile/onnxfiletest"
)

// tripletHeads is how many heads of attention the models of gguftest have.
const tripletHeads = 4

// triplet is one small llama, of which each of three formats is written with the same numbers.
type triplet struct {
	o       gguftest.Options
	tensors map[string]matrix
}

// matrix is a tensor of float32: rows of columns. A vector has one row.
type matrix struct {
	rows, columns int
	raw           []byte
}

// writeTriplet puts three models into the models folder: triplet-gguf, triplet-onnx and triplet-torch.
func writeTriplet(t *testing.T, models string, o gguftest.Options) {
	t.Helper()
	path := filepath.Join(models, "triplet-gguf.gguf")
	if err := os.MkdirAll(models, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(gguftest.TinyLlama(f, o), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	m := triplet{o: o, tensors: readTensors(t, path)}
	// Hugging Face's rotations pair a half of a head with the other; those of GGUF pair neighbours.
	for i := range o.Layers {
		for _, part := range []string{"q", "k"} {
			name := fmt.Sprintf("blk.%d.attn_%s.weight", i, part)
			m.tensors[name] = m.tensors[name].halves(tripletHeads)
		}
	}
	folder := func(name string, files map[string][]byte) {
		for file, data := range files {
			at := filepath.Join(models, name, file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, data, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	beside := m.beside(t)
	folder("triplet-onnx", beside)
	folder("triplet-onnx", map[string][]byte{"model.onnx": onnxfiletest.Model(m.onnx())})
	folder("triplet-torch", beside)
	folder("triplet-torch", map[string][]byte{"model.safetensors": m.safetensors(t)})
}

func readTensors(t *testing.T, path string) map[string]matrix {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := gguf.Read(strings.NewReader(string(b)), int64(len(b)), gguf.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]matrix{}
	for _, one := range file.Tensors {
		at := uint64(file.DataOffset) + one.Offset
		m := matrix{rows: 1, columns: int(one.Dims[0]), raw: b[at : at+uint64(one.Size)]}
		if len(one.Dims) > 1 {
			m.rows = int(one.Dims[1])
		}
		out[one.Name] = m
	}
	return out
}

func (m matrix) row(i int) []byte { return m.raw[4*i*m.columns : 4*(i+1)*m.columns] }

func (m matrix) halves(heads int) matrix {
	size := m.rows / heads
	raw := make([]byte, 0, len(m.raw))
	for h := range heads {
		for half := range 2 {
			for i := range size / 2 {
				raw = append(raw, m.row(h*size+2*i+half)...)
			}
		}
	}
	return matrix{m.rows, m.columns, raw}
}

func (m matrix) transposed() matrix {
	raw := make([]byte, 0, len(m.raw))
	for c := range m.columns {
		for r := range m.rows {
			raw = append(raw, m.row(r)[4*c:4*c+4]...)
		}
	}
	return matrix{m.columns, m.rows, raw}
}

// beside are the files that both folders have beside their weights.
func (m triplet) beside(t *testing.T) map[string][]byte {
	t.Helper()
	vocabulary := map[string]int{}
	for i, token := range gguftest.Tokens() {
		vocabulary[token] = i
	}
	level := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	out := map[string][]byte{}
	for name, value := range map[string]map[string]any{
		"config.json": {
			"architectures": []string{"LlamaForCausalLM"}, "model_type": "llama", "hidden_act": "silu", "torch_dtype": "float32", "tie_word_embeddings": false,
			"vocab_size": len(vocabulary), "hidden_size": m.o.Width, "intermediate_size": 2 * m.o.Width, "num_hidden_layers": m.o.Layers,
			"num_attention_heads": tripletHeads, "num_key_value_heads": tripletHeads, "max_position_embeddings": m.o.Context, "rms_norm_eps": 1e-5,
			"rope_theta": 10000, "bos_token_id": 0, "eos_token_id": 0,
		},
		"tokenizer.json": {
			"version": "1.0", "truncation": nil, "padding": nil, "normalizer": nil, "post_processor": nil, "pre_tokenizer": level, "decoder": level,
			"added_tokens": []any{map[string]any{"id": 0, "content": gguftest.EndToken, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}},
			"model": map[string]any{
				"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil, "fuse_unk": false, "byte_fallback": false,
				"ignore_merges": false, "vocab": vocabulary, "merges": []string{},
			},
		},
		"tokenizer_config.json": {"bos_token": gguftest.EndToken, "eos_token": gguftest.EndToken, "chat_template": m.o.Template},
	} {
		b, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = b
	}
	return out
}

// tripletNames are what Hugging Face calls the weights of a layer.
func tripletNames() map[string]string {
	return map[string]string{
		"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
		"ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
	}
}

// safetensors is the format: the length of the header, the header, the numbers.
func (m triplet) safetensors(t *testing.T) []byte {
	t.Helper()
	names := map[string]string{"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight", "output.weight": "lm_head.weight"}
	for i := range m.o.Layers {
		for ours, theirs := range tripletNames() {
			names[fmt.Sprintf("blk.%d.%s.weight", i, ours)] = fmt.Sprintf("model.layers.%d.%s.weight", i, theirs)
		}
	}
	head, data := map[string]any{}, []byte(nil)
	for ours, theirs := range names {
		w := m.tensors[ours]
		shape := []int{w.rows, w.columns}
		if strings.Contains(ours, "norm") {
			shape = shape[1:]
		}
		head[theirs] = map[string]any{"dtype": "F32", "shape": shape, "data_offsets": []int{len(data), len(data) + len(w.raw)}}
		data = append(data, w.raw...)
	}
	b, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(b))), b...), data...)
}

// Element types of ONNX.
const (
	onnxFloats = 1
	onnxInts   = 7
)

// onnx is the model in the form that exports of Optimum have.
func (m triplet) onnx() onnxfiletest.Graph {
	c := &tripletGraph{triplet: m, head: m.o.Width / tripletHeads}
	c.begin()
	x := c.op("Gather", "x", c.matrix("token_embd.weight", false), "input_ids")
	for i := range m.o.Layers {
		x = c.layer(i, x)
	}
	c.op("MatMul", "logits", c.norm("last", x, "output_norm.weight"), c.matrix("output.weight", true))
	logits := onnxfiletest.Value{Name: "logits", Type: onnxFloats, Shape: []int64{-1, -1, int64(len(gguftest.Tokens()))}}
	c.g.Outputs = append([]onnxfiletest.Value{logits}, c.g.Outputs...)
	return c.g
}

type tripletGraph struct {
	triplet
	g    onnxfiletest.Graph
	head int
}

// op adds an operator with one output, and returns its name.
func (c *tripletGraph) op(op, out string, in ...string) string {
	c.g.Nodes = append(c.g.Nodes, onnxfiletest.Node{Op: op, In: in, Out: []string{out}})
	return out
}

func (c *tripletGraph) last() *onnxfiletest.Node { return &c.g.Nodes[len(c.g.Nodes)-1] }

func (c *tripletGraph) weight(name string, kind int, shape []int64, raw []byte) string {
	c.g.Weights = append(c.g.Weights, onnxfiletest.Tensor{Name: name, Type: kind, Shape: shape, Raw: raw})
	return name
}

func (c *tripletGraph) matrix(name string, transposed bool) string {
	w := c.tensors[name]
	if transposed {
		w = w.transposed()
	}
	return c.weight(name, onnxFloats, []int64{int64(w.rows), int64(w.columns)}, w.raw)
}

// begin makes the inputs, what is constant, which tokens each may look at, and how each is rotated.
func (c *tripletGraph) begin() {
	text := []int64{-1, -1}
	for _, name := range []string{"input_ids", "attention_mask", "position_ids"} {
		c.g.Inputs = append(c.g.Inputs, onnxfiletest.Value{Name: name, Type: onnxInts, Shape: text})
	}
	c.weight("zero", onnxInts, nil, onnxfiletest.Int64s(0))
	c.weight("one", onnxInts, nil, onnxfiletest.Int64s(1))
	c.weight("axis1", onnxInts, []int64{1}, onnxfiletest.Int64s(1))
	c.weight("axis2", onnxInts, []int64{1}, onnxfiletest.Int64s(2))
	c.weight("split", onnxInts, []int64{4}, onnxfiletest.Int64s(0, 0, tripletHeads, int64(c.head)))
	c.weight("join", onnxInts, []int64{3}, onnxfiletest.Int64s(0, 0, int64(c.o.Width)))
	c.weight("scale", onnxFloats, nil, onnxfiletest.Floats(float32(1/math.Sqrt(float64(c.head)))))
	c.weight("never", onnxFloats, nil, onnxfiletest.Floats(-1e9))
	c.weight("epsilon", onnxFloats, nil, onnxfiletest.Floats(1e-5))
	c.op("Range", "all", "zero", c.op("Gather", "total", c.op("Shape", "mask.shape", "attention_mask"), "one"), "one")
	c.op("LessOrEqual", "seen", "all", c.op("Unsqueeze", "places.column", "position_ids", "axis2")) // one text at a time
	half := c.head / 2
	var cos, sin []float32
	for place := range c.o.Context {
		for i := range half {
			angle := float64(place) * math.Pow(10000, -float64(i)/float64(half))
			cos, sin = append(cos, float32(math.Cos(angle))), append(sin, float32(math.Sin(angle)))
		}
	}
	for name, table := range map[string][]float32{"cos": cos, "sin": sin} {
		c.weight(name+".table", onnxFloats, []int64{int64(c.o.Context), int64(half)}, onnxfiletest.Floats(table...))
		c.op("Unsqueeze", name, c.op("Gather", name+".places", name+".table", "position_ids"), "axis1")
	}
}

// norm is the root mean square of x, and its weights.
func (c *tripletGraph) norm(name, x, weights string) string {
	w := c.tensors[weights]
	mean := c.op("ReduceMean", name+".mean", c.op("Mul", name+".squares", x, x))
	c.last().Lists = map[string][]int64{"axes": {-1}}
	root := c.op("Sqrt", name+".root", c.op("Add", name+".above", mean, "epsilon"))
	return c.op("Mul", name, c.op("Div", name+".even", x, root), c.weight(weights, onnxFloats, []int64{int64(w.columns)}, w.raw))
}

// turned rotates the heads of x by their places.
func (c *tripletGraph) turned(x string) string {
	a, b := x+".a", x+".b"
	c.g.Nodes = append(c.g.Nodes, onnxfiletest.Node{Op: "Split", In: []string{x}, Out: []string{a, b}, Ints: map[string]int64{"axis": -1}})
	first := c.op("Sub", x+".first", c.op("Mul", x+".ac", a, "cos"), c.op("Mul", x+".bs", b, "sin"))
	second := c.op("Add", x+".second", c.op("Mul", x+".bc", b, "cos"), c.op("Mul", x+".as", a, "sin"))
	c.op("Concat", x+".turned", first, second)
	c.last().Ints = map[string]int64{"axis": -1}
	return x + ".turned"
}

func (c *tripletGraph) layer(i int, x string) string {
	n := func(s string) string { return fmt.Sprintf("l%d.%s", i, s) }
	w := func(part string) string { return c.matrix(fmt.Sprintf("blk.%d.%s.weight", i, part), true) }
	in := c.norm(n("in"), x, fmt.Sprintf("blk.%d.attn_norm.weight", i))
	for _, part := range []string{"q", "k", "v"} {
		heads := c.op("Reshape", n(part+".heads"), c.op("MatMul", n(part+".flat"), in, w("attn_"+part)), "split")
		c.op("Transpose", n(part), heads)
		c.last().Lists = map[string][]int64{"perm": {0, 2, 1, 3}}
	}
	q := c.turned(n("q"))
	shape := []int64{-1, tripletHeads, -1, int64(c.head)}
	for part, now := range map[string]string{"key": c.turned(n("k")), "value": n("v")} {
		past, present := fmt.Sprintf("past_key_values.%d.%s", i, part), fmt.Sprintf("present.%d.%s", i, part)
		c.g.Inputs = append(c.g.Inputs, onnxfiletest.Value{Name: past, Type: onnxFloats, Shape: shape})
		c.g.Outputs = append(c.g.Outputs, onnxfiletest.Value{Name: present, Type: onnxFloats, Shape: shape})
		c.op("Concat", present, past, now)
		c.last().Ints = map[string]int64{"axis": 2}
	}
	c.op("Transpose", n("kt"), fmt.Sprintf("present.%d.key", i))
	c.last().Lists = map[string][]int64{"perm": {0, 1, 3, 2}}
	scores := c.op("Mul", n("scaled"), c.op("MatMul", n("raw"), q, n("kt")), "scale")
	weights := c.op("Softmax", n("weights"), c.op("Where", n("masked"), "seen", scores, "never"))
	c.last().Ints = map[string]int64{"axis": -1}
	c.op("Transpose", n("rows"), c.op("MatMul", n("mixed"), weights, fmt.Sprintf("present.%d.value", i)))
	c.last().Lists = map[string][]int64{"perm": {0, 2, 1, 3}}
	x = c.op("Add", n("x"), x, c.op("MatMul", n("out"), c.op("Reshape", n("joined"), n("rows"), "join"), w("attn_output")))
	in = c.norm(n("ffn"), x, fmt.Sprintf("blk.%d.ffn_norm.weight", i))
	gate := c.op("MatMul", n("gate"), in, w("ffn_gate"))
	silu := c.op("Mul", n("silu"), gate, c.op("Sigmoid", n("sigmoid"), gate))
	up := c.op("Mul", n("both"), silu, c.op("MatMul", n("up"), in, w("ffn_up")))
	return c.op("Add", n("end"), x, c.op("MatMul", n("down"), up, w("ffn_down")))
}
