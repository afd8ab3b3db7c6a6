package savedmodel

import (
	"io"
	"math"
	"slices"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/protobuf"
)

// Main is the name of the file that describes a model, in the model's folder.
const Main = "saved_model.pb"

// File is what a SavedModel says of the graph that serves.
type File struct {
	Tags       []string // of the graph that serves
	Signatures map[string]Signature
	Operators  map[string]int // how often each stands in the file
	Constants  int64          // bytes of what is written into the graph itself
	Variables  bool           // there are weights to load
	Assets     []string       // files of the folder "assets" that the graph names
}

// Signature is a way to call a model: what it takes and gives, in the order of the names.
type Signature struct {
	Inputs  []Tensor
	Outputs []Tensor
}

// Tensor is an input or an output. Type is TensorFlow's number of the element type; Node names the operator in the graph that
// holds the value, and Index its output. A dimension of −1 is free; where AnyRank is set, nothing is said of the shape.
type Tensor struct {
	Name    string
	Node    string
	Index   int
	Type    int
	Shape   []int64
	AnyRank bool
}

const (
	maxNodes     = 4 << 20
	maxFunctions = 1 << 20
	maxGraphs    = 64
	maxRank      = 64
	maxTensors   = 1 << 12
	maxDepth     = 40 // of attributes in attributes, and of functions that load weights in each other
)

// initSignature is a signature that is run at the load and by nobody else.
const initSignature = "__saved_model_init_op"

// Read reads saved_model.pb. Every error is a core.CodeBadModel.
func Read(src io.ReaderAt, size int64) (*File, error) {
	r := reader{Cursor: protobuf.New(src), file: &File{Operators: map[string]int{}}}
	if err := r.savedModel(size); err != nil {
		return nil, err
	}
	m, err := r.serving()
	if err != nil {
		return nil, err
	}
	if err := r.allowed(m); err != nil {
		return nil, err
	}
	f := r.file
	f.Tags, f.Assets, f.Variables = m.tags, m.assets, m.restore != ""
	f.Signatures = m.signatures
	delete(f.Signatures, initSignature)
	return f, nil
}

type reader struct {
	protobuf.Cursor
	file   *File
	graphs []*metaGraph
	nodes  int
}

// metaGraph is a MetaGraphDef: one of the graphs of a SavedModel.
type metaGraph struct {
	tags       []string
	graph      scope
	functions  map[string]*function
	signatures map[string]Signature
	filename   string   // the tensor that is given the path of the weights
	restore    string   // the operator that loads the weights
	starts     []string // operators that are run at the load
	assets     []string
}

// scope is a list of operators in one graph, or in the body of one function.
type scope struct {
	nodes map[string]*node
}

type function struct {
	scope
	args   []string
	lists  bool            // an argument stands for several values, or may
	other  map[string]bool // by argument: whether a call may give it something else than the path of the weights
	chosen bool            // the library may put it into the place of another by itself
}

// node is a NodeDef: an operator in a graph.
type node struct {
	name, op string
	inputs   []string
	calls    []string // functions
}

// savedModel reads a SavedModel.
func (r *reader) savedModel(size int64) error {
	err := r.Each(0, size, func(f protobuf.Field) error {
		if f.Number != 2 {
			return nil
		}
		if len(r.graphs) >= maxGraphs {
			return protobuf.Damaged(f.Start, "it has more than %d graphs", maxGraphs)
		}
		m := &metaGraph{graph: scope{nodes: map[string]*node{}}, functions: map[string]*function{}, signatures: map[string]Signature{}}
		r.graphs = append(r.graphs, m)
		return r.metaGraph(f, m)
	})
	if err == nil && len(r.graphs) == 0 {
		err = core.Errorf(core.CodeBadModel, "The file is no SavedModel: it has no graph. Choose the saved_model.pb that was exported with the model.")
	}
	return err
}

// serving finds the graph that serves.
func (r *reader) serving() (*metaGraph, error) {
	const serve = "serve"
	var found []*metaGraph
	for _, m := range r.graphs {
		slices.Sort(m.tags)
		m.tags = slices.Compact(m.tags) // the library compares sets, and loads the first graph that fits
		if slices.Equal(m.tags, []string{serve}) || len(r.graphs) == 1 {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		return nil, core.Errorf(core.CodeBadModel, "The SavedModel has %d graphs, of which %d are tagged %q alone; exactly one can be served. Export the model with the one tag %q.", len(r.graphs), len(found), serve, serve)
	}
	return found[0], nil
}

// message visits the fields of a field that is a message.
func (r *reader) message(m protobuf.Field, visit func(f protobuf.Field) error) error {
	if m.Kind != protobuf.Lengthy {
		return protobuf.Damaged(m.Start, "a message is missing")
	}
	return r.Each(m.Start, m.End, visit)
}

func (r *reader) metaGraph(m protobuf.Field, g *metaGraph) error {
	return r.message(m, func(f protobuf.Field) error {
		switch f.Number {
		case 1:
			return r.message(f, func(f protobuf.Field) error {
				if f.Number != 4 {
					return nil
				}
				tag, err := r.Text(f)
				g.tags = append(g.tags, tag)
				return err
			})
		case 2:
			return r.graphDef(f, g)
		case 3:
			return r.saver(f, g)
		case 4:
			return r.collection(f, g)
		case 5:
			return r.signature(f, g)
		case 6:
			return r.asset(f, g)
		}
		return nil
	})
}

func (r *reader) graphDef(m protobuf.Field, g *metaGraph) error {
	return r.message(m, func(f protobuf.Field) error {
		switch f.Number {
		case 1:
			return r.node(f, &g.graph)
		case 2:
			return r.message(f, func(f protobuf.Field) error {
				if f.Number != 1 {
					return nil
				}
				return r.function(f, g)
			})
		}
		return nil
	})
}

// node reads a NodeDef.
func (r *reader) node(m protobuf.Field, s *scope) error {
	if r.nodes++; r.nodes > maxNodes {
		return protobuf.Damaged(m.Start, "it has more than %d operators", maxNodes)
	}
	n := &node{}
	err := r.message(m, func(f protobuf.Field) (err error) {
		switch f.Number {
		case 1:
			n.name, err = r.Text(f)
		case 2:
			n.op, err = r.Text(f)
		case 3:
			var in string
			in, err = r.Text(f)
			n.inputs = append(n.inputs, in)
		case 5:
			_, err = r.pair(f, func(f protobuf.Field) error { return r.attribute(f, n, 0) })
		}
		return err
	})
	if err == nil && (n.name == "" || s.nodes[n.name] != nil) {
		err = protobuf.Damaged(m.Start, "an operator has no name, or that of another: %.80q", n.name)
	}
	s.nodes[n.name] = n
	r.file.Operators[n.op]++
	return err
}

// attribute reads an AttrValue for the functions that it names.
func (r *reader) attribute(m protobuf.Field, n *node, depth int) error {
	if depth > maxDepth {
		return protobuf.Damaged(m.Start, "attributes lie too deep in each other")
	}
	return r.message(m, func(f protobuf.Field) error {
		switch f.Number {
		case 1: // a list, whose functions have another number than a single one
			return r.message(f, func(f protobuf.Field) error {
				if f.Number == 9 {
					return r.call(f, n, depth)
				}
				return nil
			})
		case 8:
			r.file.Constants += f.End - f.Start
		case 10:
			return r.call(f, n, depth)
		}
		return nil
	})
}

// call reads a NameAttrList: a function with attributes of its own.
func (r *reader) call(m protobuf.Field, n *node, depth int) error {
	return r.message(m, func(f protobuf.Field) (err error) {
		switch f.Number {
		case 1:
			var name string
			name, err = r.Text(f)
			n.calls = append(n.calls, name)
		case 2:
			_, err = r.pair(f, func(f protobuf.Field) error { return r.attribute(f, n, depth+1) })
		}
		return err
	})
}

// pair reads an entry of a map whose keys are texts.
func (r *reader) pair(m protobuf.Field, value func(f protobuf.Field) error) (key string, err error) {
	err = r.message(m, func(f protobuf.Field) (err error) {
		switch f.Number {
		case 1:
			key, err = r.Text(f)
		case 2:
			err = value(f)
		}
		return err
	})
	return key, err
}

// function reads a FunctionDef.
func (r *reader) function(m protobuf.Field, g *metaGraph) error {
	fn, name := &function{scope: scope{nodes: map[string]*node{}}, other: map[string]bool{}}, ""
	err := r.message(m, func(f protobuf.Field) error {
		switch f.Number {
		case 1: // an OpDef
			return r.message(f, func(f protobuf.Field) (err error) {
				switch f.Number {
				case 1:
					name, err = r.Text(f)
				case 2:
					return r.argument(f, fn)
				}
				return err
			})
		case 3:
			return r.node(f, &fn.scope)
		case 5:
			key, err := r.pair(f, func(protobuf.Field) error { return nil })
			fn.chosen = fn.chosen || key == "api_implements"
			return err
		}
		return nil
	})
	if err == nil && (name == "" || g.functions[name] != nil || len(g.functions) >= maxFunctions) {
		err = protobuf.Damaged(m.Start, "a function has no name, or that of another: %.80q", name)
	}
	g.functions[name] = fn
	return err
}

// argument reads an ArgDef: an input of a function.
func (r *reader) argument(m protobuf.Field, fn *function) error {
	name := ""
	err := r.message(m, func(f protobuf.Field) (err error) {
		switch f.Number {
		case 1:
			name, err = r.Text(f)
		case 5, 6: // the attribute that says how many there are
			fn.lists = true
		}
		return err
	})
	fn.args, fn.other[name] = append(fn.args, name), false
	return err
}

func (r *reader) saver(m protobuf.Field, g *metaGraph) error {
	return r.message(m, func(f protobuf.Field) (err error) {
		switch f.Number {
		case 1:
			g.filename, err = r.Text(f)
		case 3:
			g.restore, err = r.Text(f)
		}
		return err
	})
}

// collection reads the collections that name what is run at the load.
func (r *reader) collection(m protobuf.Field, g *metaGraph) error {
	var names []string
	key, err := r.pair(m, func(f protobuf.Field) error {
		return r.message(f, func(f protobuf.Field) error {
			if f.Number != 1 {
				return nil
			}
			return r.message(f, func(f protobuf.Field) error {
				if f.Number != 1 || f.Kind != protobuf.Lengthy || f.End-f.Start > protobuf.MaxText || len(names) >= maxTensors {
					return nil // a list of other things; the two that matter are short
				}
				name, err := r.Text(f)
				names = append(names, name)
				return err
			})
		})
	})
	if key == "legacy_init_op" || key == "saved_model_main_op" {
		g.starts = append(g.starts, names...)
	}
	return err
}

func (r *reader) asset(m protobuf.Field, g *metaGraph) error {
	return r.message(m, func(f protobuf.Field) error {
		if f.Number != 2 {
			return nil
		}
		name, err := r.Text(f)
		if err == nil && (name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\\:\x00")) {
			err = core.Errorf(core.CodeBadModel, "The SavedModel is refused: it names the file %.120q, which is not plainly in its folder of assets. It is damaged or was made to do harm; get it again from a publisher you trust.", name)
		}
		g.assets = append(g.assets, name)
		return err
	})
}

// signature reads an entry of the signatures.
func (r *reader) signature(m protobuf.Field, g *metaGraph) error {
	in, out := map[string]Tensor{}, map[string]Tensor{}
	key, err := r.pair(m, func(f protobuf.Field) error {
		return r.message(f, func(f protobuf.Field) error {
			switch f.Number {
			case 1:
				return r.tensor(f, in)
			case 2:
				return r.tensor(f, out)
			}
			return nil
		})
	})
	if err == nil && len(g.signatures) >= maxTensors {
		err = protobuf.Damaged(m.Start, "it has more than %d signatures", maxTensors)
	}
	if key == initSignature {
		for _, t := range out {
			g.starts = append(g.starts, t.Node)
		}
	}
	g.signatures[key] = Signature{Inputs: inOrder(in), Outputs: inOrder(out)}
	return err
}

func inOrder(m map[string]Tensor) []Tensor {
	list := make([]Tensor, 0, len(m))
	for _, t := range m {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// tensor reads an entry of a map of TensorInfo.
func (r *reader) tensor(m protobuf.Field, into map[string]Tensor) error {
	var t Tensor
	key, err := r.pair(m, func(f protobuf.Field) error {
		return r.message(f, func(f protobuf.Field) error {
			switch f.Number {
			case 1:
				name, err := r.Text(f)
				if err != nil {
					return err
				}
				var ok bool
				if t.Node, t.Index, ok = output(name); !ok {
					return protobuf.Damaged(f.Start, "%.80q names no value", name)
				}
			case 2:
				t.Type = int(f.Value & math.MaxInt16)
			case 3:
				return r.shape(f, &t)
			}
			return nil
		})
	})
	if err == nil && len(into) >= maxTensors {
		err = protobuf.Damaged(m.Start, "it has more than %d inputs or outputs", maxTensors)
	}
	t.Name = key
	into[key] = t
	return err
}

// shape reads a TensorShapeProto.
func (r *reader) shape(m protobuf.Field, t *Tensor) error {
	return r.message(m, func(f protobuf.Field) error {
		switch f.Number {
		case 2:
			if len(t.Shape) >= maxRank {
				return protobuf.Damaged(f.Start, "a tensor has more than %d dimensions", maxRank)
			}
			size := int64(0)
			err := r.message(f, func(f protobuf.Field) error {
				if f.Number == 1 {
					size = max(int64(f.Value), -1) //nolint:gosec // −1 is written as a large number
				}
				return nil
			})
			t.Shape = append(t.Shape, size)
			return err
		case 3:
			t.AnyRank = f.Value != 0
		}
		return nil
	})
}
