// Package savedmodeltest writes small SavedModels for tests.
package savedmodeltest

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	pb "ashatai/internal/protobuf/protobuftest"
)

// Numbers of element types.
const (
	Float = 1
	Int   = 3
	Text  = 7
)

// Attr is an attribute: an AttrValue.
type Attr []byte

// Type is an element type.
func Type(number int64) Attr { return pb.Number(nil, 6, number) }

// Call names a function.
func Call(name string) Attr { return pb.Message(nil, 10, pb.Text(nil, 1, name)) }

// Calls names functions in a list.
func Calls(names ...string) Attr {
	var list []byte
	for _, n := range names {
		list = pb.Message(list, 9, pb.Text(nil, 1, n))
	}
	return pb.Message(nil, 1, list)
}

// Types is a list of element types.
func Types(numbers ...int64) Attr {
	var list []byte
	for _, n := range numbers {
		list = pb.Number(list, 6, n)
	}
	return pb.Message(nil, 1, list)
}

// Shape is a shape; a dimension of −1 is free.
func Shape(dims ...int64) Attr { return pb.Message(nil, 7, shape(dims)) }

// Floats is a constant.
func Floats(dims []int64, values ...float32) Attr {
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return pb.Message(nil, 8, pb.Message(pb.Message(pb.Number(nil, 1, Float), 2, shape(dims)), 4, raw))
}

// Ints is a constant of one dimension.
func Ints(values ...int32) Attr {
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(v)) //nolint:gosec // the bits are meant
	}
	return pb.Message(nil, 8, pb.Message(pb.Message(pb.Number(nil, 1, Int), 2, shape([]int64{int64(len(values))})), 4, raw))
}

// Word is a constant text without dimensions.
func Word(s string) Attr {
	return pb.Message(nil, 8, pb.Text(pb.Message(pb.Number(nil, 1, Text), 2, nil), 8, s))
}

func shape(dims []int64) []byte {
	var b []byte
	for _, d := range dims {
		b = pb.Message(b, 2, pb.Number(nil, 1, d))
	}
	return b
}

// Node is an operator.
type Node struct {
	Name, Op string
	In       []string
	Attrs    map[string]Attr
}

func (n Node) write() []byte {
	b := pb.Text(pb.Text(nil, 1, n.Name), 2, n.Op)
	for _, in := range n.In {
		b = pb.Text(b, 3, in)
	}
	for key, a := range n.Attrs {
		b = pb.Entry(b, 5, key, a)
	}
	return b
}

// Function is a part of a graph that operators call.
type Function struct {
	Name  string
	Args  []string
	Nodes []Node
	Attrs map[string]Attr
}

// Value is an input or an output of a signature. AnyRank says that nothing is known of the shape.
type Value struct {
	Node    string // "y:0"
	Type    int64
	Shape   []int64
	AnyRank bool
}

// Signature is a way to call a model.
type Signature struct{ Inputs, Outputs map[string]Value }

// Graph is a SavedModel with one graph.
type Graph struct {
	Tags              []string // nil: "serve"
	Nodes             []Node
	Functions         []Function
	Signatures        map[string]Signature
	Filename, Restore string
	Start             string // run at the load
	Assets            []string
}

// Model writes saved_model.pb with these graphs.
func Model(graphs ...Graph) []byte {
	b := pb.Number(nil, 1, 1)
	for _, g := range graphs {
		b = pb.Message(b, 2, g.write())
	}
	return b
}

func (g Graph) write() []byte {
	tags := g.Tags
	if tags == nil {
		tags = []string{"serve"}
	}
	var info, def, library []byte
	for _, t := range tags {
		info = pb.Text(info, 4, t)
	}
	for _, n := range g.Nodes {
		def = pb.Message(def, 1, n.write())
	}
	for _, f := range g.Functions {
		op := pb.Text(nil, 1, f.Name)
		for _, a := range f.Args {
			op = pb.Message(op, 2, pb.Text(nil, 1, a))
		}
		fn := pb.Message(nil, 1, op)
		for _, n := range f.Nodes {
			fn = pb.Message(fn, 3, n.write())
		}
		for key, a := range f.Attrs {
			fn = pb.Entry(fn, 5, key, a)
		}
		library = pb.Message(library, 1, fn)
	}
	def = pb.Message(def, 2, library)
	def = pb.Message(def, 4, pb.Number(nil, 1, 1800)) // the version of its producer
	b := pb.Message(pb.Message(nil, 1, info), 2, def)
	if g.Filename+g.Restore != "" {
		b = pb.Message(b, 3, pb.Number(pb.Text(pb.Text(nil, 1, g.Filename), 3, g.Restore), 7, 2))
	}
	if g.Start != "" {
		b = pb.Entry(b, 4, "legacy_init_op", pb.Message(nil, 1, pb.Text(nil, 1, g.Start)))
	}
	for key, s := range g.Signatures {
		var sig []byte
		for name, v := range s.Inputs {
			sig = pb.Entry(sig, 1, name, v.write())
		}
		for name, v := range s.Outputs {
			sig = pb.Entry(sig, 2, name, v.write())
		}
		b = pb.Entry(b, 5, key, pb.Text(sig, 3, "tensorflow/serving/predict"))
	}
	for _, a := range g.Assets {
		b = pb.Message(b, 6, pb.Text(nil, 2, a))
	}
	return b
}

func (v Value) write() []byte {
	s := shape(v.Shape)
	if v.AnyRank {
		s = pb.Number(nil, 3, 1)
	}
	return pb.Message(pb.Number(pb.Text(nil, 1, v.Node), 2, v.Type), 3, s)
}

// Linear computes y = x·[[1 2][3 4][5 6]] + [0.5 −0.5] of rows of three numbers, and the signature "loud" makes capitals of texts.
func Linear() Graph {
	f := map[string]Attr{"T": Type(Float)}
	return Graph{
		Nodes: []Node{
			{Name: "x", Op: "Placeholder", Attrs: map[string]Attr{"dtype": Type(Float), "shape": Shape(-1, 3)}},
			{Name: "w", Op: "Const", Attrs: map[string]Attr{"dtype": Type(Float), "value": Floats([]int64{3, 2}, 1, 2, 3, 4, 5, 6)}},
			{Name: "b", Op: "Const", Attrs: map[string]Attr{"dtype": Type(Float), "value": Floats([]int64{2}, 0.5, -0.5)}},
			{Name: "xw", Op: "MatMul", In: []string{"x", "w"}, Attrs: f},
			{Name: "y", Op: "AddV2", In: []string{"xw", "b"}, Attrs: f},
			{Name: "s", Op: "Placeholder", Attrs: map[string]Attr{"dtype": Type(Text), "shape": Shape(-1)}},
			{Name: "upper", Op: "StringUpper", In: []string{"s"}},
		},
		Signatures: map[string]Signature{
			"serving_default": {
				Inputs:  map[string]Value{"x": {Node: "x:0", Type: Float, Shape: []int64{-1, 3}}},
				Outputs: map[string]Value{"y": {Node: "y:0", Type: Float, Shape: []int64{-1, 2}}},
			},
			"loud": {
				Inputs:  map[string]Value{"text": {Node: "s:0", Type: Text, AnyRank: true}},
				Outputs: map[string]Value{"loud": {Node: "upper:0", Type: Text, AnyRank: true}},
			},
		},
	}
}

// Slow multiplies large matrices again and again, which takes about a second.
func Slow() Graph {
	f := map[string]Attr{"T": Type(Float)}
	g := Graph{
		Nodes: []Node{
			{Name: "x", Op: "Placeholder", Attrs: map[string]Attr{"dtype": Type(Float), "shape": Shape()}},
			{Name: "size", Op: "Const", Attrs: map[string]Attr{"dtype": Type(Int), "value": Ints(600, 600)}},
			{Name: "m0", Op: "Fill", In: []string{"size", "x"}, Attrs: map[string]Attr{"T": Type(Float), "index_type": Type(Int)}},
		},
		Signatures: map[string]Signature{"serving_default": {
			Inputs:  map[string]Value{"x": {Node: "x:0", Type: Float}},
			Outputs: map[string]Value{"y": {Node: "last:0", Type: Float, Shape: []int64{600, 600}}},
		}},
	}
	at := "m0"
	for i := range 60 {
		name := "last"
		if i < 59 {
			name = "m" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		}
		g.Nodes = append(g.Nodes, Node{Name: name, Op: "MatMul", In: []string{at, "m0"}, Attrs: f})
		at = name
	}
	return g
}

// Folder writes a model into a folder of the test, and returns the path of its saved_model.pb.
func Folder(tb testing.TB, graphs ...Graph) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "saved_model.pb")
	if err := os.WriteFile(path, Model(graphs...), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}
