package tflite

import (
	"io"

	"ashatai/internal/core"
)

// Suffix ends the names of model files.
const Suffix = ".tflite"

// File is what a model file says of itself.
type File struct {
	Inputs    []Tensor // of the signature that is served, in its order
	Outputs   []Tensor
	Signature int         // the place of that signature; 0 where the file has none, and its main graph is served
	Operators map[int]int // how often, by number
	Weights   int64       // bytes of all constants
	Fixes     []Fix       // without which it cannot be served, see Fixed
}

// Tensor is an input or an output. Type is a number of TensorType.
type Tensor struct {
	Name  string
	Type  int
	Shape []int64
}

const (
	version      = 3
	maxGraphs    = 1 << 10
	maxTensors   = 1 << 20
	maxRank      = 8 // of the library
	maxElements  = 1 << 40
	customOp     = 32
	identifierAt = 4
)

// Read reads a model file. Every error is a core.CodeBadModel.
func Read(src io.ReaderAt, size int64) (*File, error) {
	r := reader{flat: newFlat(src, size), file: &File{Operators: map[int]int{}}}
	if size < 16 || string(r.bytes(identifierAt, 4)) != "TFL3" {
		if r.err != nil {
			return nil, r.err
		}
		return nil, core.Errorf(core.CodeBadModel, "The file is no model of TensorFlow Lite: it lacks the mark TFL3. Choose a .tflite file.")
	}
	r.model()
	if r.err != nil {
		return nil, r.err
	}
	return r.file, nil
}

type reader struct {
	*flat
	file    *File
	codes   []int
	buffers vector
}

// graph is a subgraph that was read.
type graph struct {
	tensors []tensor
	inputs  []int32
	outputs []int32

	operators vector
	folded    []folded // in the order of the list
	fold      bool     // some shape follows from those of inputs through operators, which have to be folded
}

type tensor struct {
	Tensor
	constant bool // its elements lie in the file, or are known before the model runs
	known    bool // its shape is known before the model runs
	buffer   int64
	data     vector  // its elements, where they lie in the file
	value    []int32 // its elements, where they were computed here
	folded   bool    // they were, and the library does not compute them before the model runs
	loose    bool    // it follows from what another graph gives, whose sizes are its own
}

// model reads a Model.
func (r *reader) model() {
	m := r.root()
	if v := r.numberOf(m, 0); r.err == nil && v != version {
		r.err = unsupported("The model file has the version %d of its format, where %d is known. Convert the model anew.", v, version)
	}
	r.operatorCodes(m)
	r.buffers = r.list(m, 4, 4)
	list := r.list(m, 2, 4)
	if r.err == nil && (list.count == 0 || list.count > maxGraphs) {
		r.fail(list.start, "it has %d graphs", list.count)
	}
	var graphs []*graph
	for i := range list.count {
		if r.err != nil {
			return
		}
		graphs = append(graphs, r.graph(r.at(list, i)))
	}
	if r.err != nil {
		return
	}
	if g := r.signature(m, graphs); r.err == nil && g.fold {
		r.fix(g, graphs)
	}
}

// operatorCodes reads the kinds of operators.
func (r *reader) operatorCodes(m table) {
	list := r.list(m, 1, 4)
	for i := range list.count {
		t := r.at(list, i)
		// Old files have the number in a byte.
		code := max(int(int8(r.byteOf(t, 0))), int(int32(r.numberOf(t, 3)))) //nolint:gosec // the bits are meant
		if r.err != nil {
			return
		}
		custom := r.text(t, 1)
		switch {
		case code == customOp || custom != "":
			r.err = unsupported("The model uses the operator %.80q, which is not one of the library's own. Convert the model with built-in operators only.", custom)
		case keepsState(code):
			r.err = unsupported("The model keeps values from one call to the next (its operator %d), and nothing is kept between calls here. Convert it so that its state is an input and an output.", code)
		case alwaysDynamic(code):
			r.err = runTimeShapes("its operator %d gives as many elements as its values ask for", code)
		}
		r.codes = append(r.codes, code)
	}
}

func runTimeShapes(why string, args ...any) *core.Error {
	return unsupported("The model's shapes are known only while it runs ("+why+"), and LiteRT would answer zeros without a word. Convert the model with fixed shapes, or serve it as a SavedModel.", args...)
}

// keepsState: CALL_ONCE, VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE and the tables.
func keepsState(code int) bool {
	return code == 129 || code >= 136 && code <= 139 || code >= 142 && code <= 144
}

// alwaysDynamic: UNIQUE, WHERE and SEGMENT_SUM.
func alwaysDynamic(code int) bool { return code == 103 || code == 109 || code == 125 }

// shapeOperand is the place of the operand whose values say what shape an operator's result has; −1: there is none.
func shapeOperand(code int) int {
	switch code {
	case 22, 69, 34, 60, 100, 65, 45, 130, 23, 97, 85, 48, 68: // RESHAPE TILE PAD PADV2 MIRROR_PAD SLICE STRIDED_SLICE BROADCAST_TO RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR ONE_HOT TOPK_V2 SPARSE_TO_DENSE
		return 1
	case 94, 96, 67: // FILL RANGE TRANSPOSE_CONV
		return 0
	}
	return -1
}

// callsGraph: IF, WHILE and STABLEHLO_COMPOSITE.
func callsGraph(code int) bool { return code == 118 || code == opWhile || code == 206 }

// graph reads a SubGraph.
func (r *reader) graph(t table) *graph {
	g := &graph{inputs: r.ints(t, 1), outputs: r.ints(t, 2)}
	list := r.list(t, 0, 4)
	if list.count > maxTensors {
		r.fail(list.start, "it has more than %d tensors", maxTensors)
	}
	for i := range list.count {
		if r.err != nil {
			return g
		}
		g.tensors = append(g.tensors, r.tensor(r.at(list, i)))
	}
	for _, i := range append(append([]int32{}, g.inputs...), g.outputs...) {
		if i < 0 || int(i) >= len(g.tensors) {
			r.fail(int64(t), "a graph takes or gives the tensor %d of %d", i, len(g.tensors))
			return g
		}
	}
	for _, i := range g.inputs {
		g.tensors[i].known = true
	}
	g.operators = r.list(t, 3, 4)
	for i := range g.operators.count {
		if r.err != nil {
			return g
		}
		r.operator(g, i)
	}
	return g
}

// operator reads an Operator, and follows what is known of shapes.
func (r *reader) operator(g *graph, place int64) {
	t := r.at(g.operators, place)
	at := r.numberOf(t, 0)
	in, out := r.ints(t, 1), r.ints(t, 2)
	if r.err == nil && at >= int64(len(r.codes)) {
		r.fail(int64(t), "an operator is of the kind %d of %d", at, len(r.codes))
	}
	for _, i := range append(append([]int32{}, in...), out...) {
		if i < -1 || int(i) >= len(g.tensors) {
			r.fail(int64(t), "an operator uses the tensor %d of %d", i, len(g.tensors))
		}
	}
	if r.err != nil {
		return
	}
	code := r.codes[at]
	r.file.Operators[code]++
	known, loose := true, callsGraph(code)
	for _, i := range in {
		if i >= 0 {
			known, loose = known && g.tensors[i].known, loose || g.tensors[i].loose
		}
	}
	if k := shapeOperand(code); k >= 0 && k < len(in) && in[k] >= 0 {
		known = known && g.tensors[in[k]].constant
		g.fold = g.fold || g.tensors[in[k]].folded
	}
	const rank = 110 // as a shape, which the library computes before the model runs; what is computed from them, it does not
	constant := code == opShape || code == rank
	if value := r.result(g, code, t, in, out); value != nil {
		g.tensors[out[0]].value = value
		if !constant {
			known, constant = true, true
			g.tensors[out[0]].folded = true
			g.folded = append(g.folded, folded{place, out[0]})
		}
	}
	for _, i := range out {
		if i >= 0 {
			g.tensors[i].known, g.tensors[i].loose = known, loose
			g.tensors[i].constant = g.tensors[i].constant || known && constant
		}
	}
}

// elementSize is the number of bytes of an element of a TensorType; 0 where it is not fixed, or packed.
func elementSize(typ int) int64 {
	switch typ {
	case 3, 6, 9: // UINT8 BOOL INT8
		return 1
	case 1, 7, 16, 18: // FLOAT16 INT16 UINT16 BFLOAT16
		return 2
	case 0, 2, 15: // FLOAT32 INT32 UINT32
		return 4
	case 4, 8, 10, 12: // INT64 COMPLEX64 FLOAT64 UINT64
		return 8
	}
	return 0
}

// tensor reads a Tensor.
func (r *reader) tensor(t table) tensor {
	out := tensor{Tensor: Tensor{Name: r.text(t, 3), Type: int(r.byteOf(t, 1))}}
	elements := int64(1)
	for _, d := range r.ints(t, 0) {
		if d < 0 || d > 0 && elements > maxElements/int64(d) {
			r.fail(int64(t), "the tensor %.80q has a dimension of %d", out.Name, d)
			return out
		}
		elements *= int64(d)
		out.Shape = append(out.Shape, int64(d))
	}
	if r.byteOf(t, 5) != 0 && r.err == nil {
		r.err = unsupported("The model keeps values from one call to the next (its tensor %.80q), and nothing is kept between calls here. Convert it so that its state is an input and an output.", out.Name)
		return out
	}
	out.buffer = r.numberOf(t, 2)
	out.data = r.constant(out.buffer)
	size := out.data.count
	sparse := r.field(t, 6, 4) != 0
	if want := elementSize(out.Type); r.err == nil && size > 0 && want > 0 && !sparse && size != elements*want {
		r.fail(int64(t), "the tensor %.80q has %d bytes, and its shape asks for %d", out.Name, size, elements*want)
	}
	out.constant = size > 0
	out.known = out.constant
	r.file.Weights += size
	return out
}

// constant is the bytes that lie in a buffer of the file; none where it is empty.
func (r *reader) constant(i int64) vector {
	if r.err != nil || i == 0 && r.buffers.count == 0 {
		return vector{}
	}
	b := r.at(r.buffers, i)
	if far := r.longOf(b, 1); far > 1 { // behind the FlatBuffer
		n := r.longOf(b, 2)
		if far > uint64(r.size) || n > uint64(r.size)-far { //nolint:gosec // a file's size
			r.fail(int64(b), "the bytes of a tensor lie outside of the file")
			return vector{}
		}
		return vector{int64(far), int64(n)} //nolint:gosec // at most the file's size
	}
	return r.list(b, 0, 1)
}

// signature finds what is served, the first signature or the main graph, and returns the graph that computes it.
func (r *reader) signature(m table, graphs []*graph) *graph {
	list := r.list(m, 7, 4)
	if list.count == 0 {
		g := graphs[0]
		r.file.Inputs, r.file.Outputs = r.served(g, g.inputs, nil), r.served(g, g.outputs, nil)
		return g
	}
	s := r.at(list, 0)
	k := r.numberOf(s, 4)
	if r.err == nil && k >= int64(len(graphs)) {
		r.fail(int64(s), "a signature is of the graph %d of %d", k, len(graphs))
	}
	if r.err != nil {
		return nil
	}
	in, inNames := r.names(s, 0)
	out, outNames := r.names(s, 1)
	r.file.Inputs, r.file.Outputs = r.served(graphs[k], in, inNames), r.served(graphs[k], out, outNames)
	return graphs[k]
}

// names reads a list of TensorMap.
func (r *reader) names(s table, id int) (places []int32, names []string) {
	list := r.list(s, id, 4)
	for i := range min(list.count, maxTensors) {
		if r.err != nil {
			return nil, nil
		}
		t := r.at(list, i)
		places, names = append(places, int32(r.numberOf(t, 1))), append(names, r.text(t, 0)) //nolint:gosec // checked by its user
	}
	return places, names
}

// served takes the tensors at some places, with other names where there are any.
func (r *reader) served(g *graph, places []int32, names []string) []Tensor {
	out := make([]Tensor, 0, len(places))
	for i, p := range places {
		if r.err != nil {
			return nil
		}
		if p < 0 || int(p) >= len(g.tensors) {
			r.fail(0, "a signature names the tensor %d of %d", p, len(g.tensors))
			return nil
		}
		t := g.tensors[p]
		if names != nil {
			t.Name = names[i]
		}
		switch {
		case !t.known:
			r.err = runTimeShapes("that of its output %.80q follows from values", t.Name)
		case len(t.Shape) > maxRank:
			r.fail(0, "the tensor %.80q has %d dimensions", t.Name, len(t.Shape))
		case elementSize(t.Type) == 0 || t.Type == 8:
			r.err = unsupported("The model's %.80q is no tensor of plain numbers (TensorFlow Lite's type %d). Convert the model so that it takes and gives those.", t.Name, t.Type)
		}
		out = append(out, t.Tensor)
	}
	return out
}
