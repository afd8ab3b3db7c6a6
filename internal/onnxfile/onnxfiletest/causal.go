package onnxfiletest

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Element types of ONNX that the models here use.
const (
	float32Type = 1
	int64Type   = 7
	boolType    = 9
)

// CausalOptions say what a small language model is like.
type CausalOptions struct {
	Vocabulary, Layers, Heads, Head, Positions int
	NoPositions                                bool // without position_ids: places follow from the mask, as in old exports
	Branch                                     bool // with use_cache_branch, which it ignores, as merged decoders have it
}

// Causal makes a decoder with attention and random weights in the form that exports of Optimum have: input_ids,
// attention_mask, position_ids and past_key_values.N.key and .value in; logits and present.N.key and .value out. Its tokens
// look back, so that its scores depend on all of the text and on the places.
func Causal(o CausalOptions) Graph {
	c := &causal{o: o, rng: rand.New(rand.NewPCG(1, 2)), hidden: o.Heads * o.Head} //nolint:gosec // the same weights each time
	c.inputs()
	c.places()
	c.op("Gather", []string{c.weight("embed", 1, o.Vocabulary, c.hidden), "input_ids"}, "x.text")
	c.op("Gather", []string{c.weight("place", 1, o.Positions, c.hidden), "places"}, "x.place")
	c.op("Add", []string{"x.text", "x.place"}, "x.0")
	for i := range o.Layers {
		c.layer(i)
	}
	c.op("MatMul", []string{fmt.Sprintf("x.%d", o.Layers), c.weight("head", 3, c.hidden, o.Vocabulary)}, "logits")
	c.g.Outputs = append([]Value{{Name: "logits", Type: float32Type, Shape: []int64{-1, -1, int64(o.Vocabulary)}}}, c.g.Outputs...)
	return c.g
}

type causal struct {
	o      CausalOptions
	g      Graph
	rng    *rand.Rand
	hidden int
}

func (c *causal) op(op string, in []string, out string) *Node {
	c.g.Nodes = append(c.g.Nodes, Node{Op: op, In: in, Out: []string{out}})
	return &c.g.Nodes[len(c.g.Nodes)-1]
}

// weight makes a matrix of random numbers, whose rows have about the given length.
func (c *causal) weight(name string, scale float64, rows, columns int) string {
	v := make([]float32, rows*columns)
	for i := range v {
		v[i] = float32(c.rng.NormFloat64() * scale / math.Sqrt(float64(columns)))
	}
	c.g.Weights = append(c.g.Weights, Tensor{Name: name, Type: float32Type, Shape: []int64{int64(rows), int64(columns)}, Raw: Floats(v...)})
	return name
}

func (c *causal) numbers(name string, shape []int64, v ...int64) {
	c.g.Weights = append(c.g.Weights, Tensor{Name: name, Type: int64Type, Shape: shape, Raw: Int64s(v...)})
}

func (c *causal) inputs() {
	text := []int64{-1, -1}
	c.g.Inputs = []Value{{Name: "input_ids", Type: int64Type, Shape: text}, {Name: "attention_mask", Type: int64Type, Shape: text}}
	if !c.o.NoPositions {
		c.g.Inputs = append(c.g.Inputs, Value{Name: "position_ids", Type: int64Type, Shape: text})
	}
	if c.o.Branch {
		c.g.Inputs = append(c.g.Inputs, Value{Name: "use_cache_branch", Type: boolType, Shape: []int64{1}})
	}
	c.numbers("zero", nil, 0)
	c.numbers("one", nil, 1)
	c.numbers("axis0", []int64{1}, 0)
	c.numbers("axis2", []int64{1}, 2)
	c.numbers("split", []int64{4}, 0, 0, int64(c.o.Heads), int64(c.o.Head))
	c.numbers("join", []int64{3}, 0, 0, int64(c.hidden))
	c.g.Weights = append(c.g.Weights,
		Tensor{Name: "scale", Type: float32Type, Raw: Floats(float32(1 / math.Sqrt(float64(c.o.Head))))},
		Tensor{Name: "never", Type: float32Type, Raw: Floats(-1e9)})
}

// places makes "places", where each token stands, and "seen", which tokens each may look at.
func (c *causal) places() {
	c.op("Shape", []string{"attention_mask"}, "mask.shape")
	c.op("Gather", []string{"mask.shape", "one"}, "total")
	c.op("Range", []string{"zero", "total", "one"}, "all")
	if c.o.NoPositions {
		c.op("Shape", []string{"input_ids"}, "ids.shape")
		c.op("Gather", []string{"ids.shape", "one"}, "new")
		c.op("Sub", []string{"total", "new"}, "begin")
		c.op("Range", []string{"begin", "total", "one"}, "places.flat")
		c.op("Unsqueeze", []string{"places.flat", "axis0"}, "places")
	} else {
		c.op("Identity", []string{"position_ids"}, "places")
	}
	c.op("Unsqueeze", []string{"places", "axis2"}, "places.column")
	c.op("LessOrEqual", []string{"all", "places.column"}, "seen")
}

func (c *causal) layer(i int) {
	n := func(s string) string { return fmt.Sprintf("l%d.%s", i, s) }
	x := fmt.Sprintf("x.%d", i)
	for _, part := range []string{"q", "k", "v"} {
		c.op("MatMul", []string{x, c.weight(n("w"+part), 2, c.hidden, c.hidden)}, n(part+".flat"))
		c.op("Reshape", []string{n(part + ".flat"), "split"}, n(part+".heads"))
		c.op("Transpose", []string{n(part + ".heads")}, n(part)).Lists = map[string][]int64{"perm": {0, 2, 1, 3}}
	}
	shape := []int64{-1, int64(c.o.Heads), -1, int64(c.o.Head)}
	for _, part := range []struct{ of, name string }{{"k", "key"}, {"v", "value"}} {
		past, present := fmt.Sprintf("past_key_values.%d.%s", i, part.name), fmt.Sprintf("present.%d.%s", i, part.name)
		c.g.Inputs = append(c.g.Inputs, Value{Name: past, Type: float32Type, Shape: shape})
		c.g.Outputs = append(c.g.Outputs, Value{Name: present, Type: float32Type, Shape: shape})
		c.op("Concat", []string{past, n(part.of)}, present).Ints = map[string]int64{"axis": 2}
	}
	c.op("Transpose", []string{fmt.Sprintf("present.%d.key", i)}, n("kt")).Lists = map[string][]int64{"perm": {0, 1, 3, 2}}
	c.op("MatMul", []string{n("q"), n("kt")}, n("raw"))
	c.op("Mul", []string{n("raw"), "scale"}, n("scaled"))
	c.op("Where", []string{"seen", n("scaled"), "never"}, n("masked"))
	c.op("Softmax", []string{n("masked")}, n("weights")).Ints = map[string]int64{"axis": -1}
	c.op("MatMul", []string{n("weights"), fmt.Sprintf("present.%d.value", i)}, n("mixed"))
	c.op("Transpose", []string{n("mixed")}, n("rows")).Lists = map[string][]int64{"perm": {0, 2, 1, 3}}
	c.op("Reshape", []string{n("rows"), "join"}, n("joined"))
	c.op("MatMul", []string{n("joined"), c.weight(n("wo"), 1, c.hidden, c.hidden)}, n("out"))
	c.op("Add", []string{x, n("out")}, fmt.Sprintf("x.%d", i+1))
}
