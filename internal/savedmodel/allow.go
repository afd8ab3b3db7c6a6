package savedmodel

import (
	_ "embed" // the list of operators
	"maps"
	"slices"
	"strconv"
	"strings"

	"ashatai/internal/core"
)

// operators.txt lists the operators that compute and do nothing else: of those that TensorFlow 2.21 has, the ones without
// effects outside of the model, less those that read files or other processes by a name in an attribute, end the process,
// compile what a model brings, feed data sets or drive other devices.
//
//go:embed operators.txt
var operatorList string

// Operators lists the operators that may stand in a model, in the order of their names.
func Operators() []string { return strings.Fields(operatorList) }

// ofWeights are the operators that load and store weights. They stand in every exported model with weights.
func ofWeights(op string) (is, loads bool) {
	switch op {
	case "RestoreV2", "Restore", "RestoreSlice":
		return true, true
	case "SaveV2", "Save", "SaveSlices", "MergeV2Checkpoints", "ShardedFilename":
		return true, false
	}
	return false, false
}

// allowed says whether a graph does nothing but compute, and load its own weights.
func (r *reader) allowed(m *metaGraph) error {
	list := Operators()
	for _, op := range slices.Sorted(maps.Keys(r.file.Operators)) {
		is, _ := ofWeights(op)
		if _, computes := slices.BinarySearch(list, op); !is && !computes && m.functions[op] == nil {
			return refused(op, "is not one of those that only compute")
		}
	}
	for _, fn := range m.functions {
		if op := fn.weightsOf(); fn.chosen && op != "" {
			return refused(op, "stands in a function that may be run at any time")
		}
	}
	run := walk{m: m, seen: map[string]bool{}}
	for _, s := range m.signatures {
		for _, t := range append(slices.Clone(s.Inputs), s.Outputs...) {
			run.start(t.Node)
		}
	}
	for _, name := range m.starts {
		run.start(name)
	}
	if err := run.all(func(n *node, _ *function) error {
		if is, _ := ofWeights(n.op); is {
			return refused(n.op, "is used by more than the loading of the weights")
		}
		return nil
	}); err != nil {
		return err
	}
	load := walk{m: m, seen: map[string]bool{}}
	if m.restore != "" {
		load.start(m.restore)
	}
	var all []place
	if err := load.all(func(n *node, in *function) error {
		all = append(all, place{n, in})
		return nil
	}); err != nil {
		return err
	}
	if !m.follow(all) {
		return core.Errorf(core.CodeBadModel, "The SavedModel is refused: the functions that load its weights call each other more than %d deep. Export the model again.", maxDepth)
	}
	for _, p := range all {
		is, loads := ofWeights(p.n.op)
		if is && (!loads || len(p.n.inputs) == 0 || !m.givenPath(p.n.inputs[0], p.in)) {
			return refused(p.n.op, "reads or writes other files than the model's weights")
		}
	}
	return nil
}

// place is an operator where it stands: in a function, or in the graph.
type place struct {
	n  *node
	in *function
}

// follow finds out which arguments of functions are the path that the loader gives in each of these calls. It says whether it
// came to an end.
func (m *metaGraph) follow(calls []place) bool {
	for range maxDepth {
		news := false
		for _, p := range calls {
			news = m.given(p.n, p.in) || news
		}
		if !news {
			return true
		}
	}
	return false
}

// given notes what a call gives to functions besides the path, and says whether that was not known.
func (m *metaGraph) given(n *node, in *function) (news bool) {
	for i, name := range append([]string{n.op}, n.calls...) {
		fn := m.functions[name]
		if fn == nil {
			continue
		}
		// Other operators give a function something else than their own inputs, in their order.
		plain := !fn.lists && (i == 0 || len(n.calls) == 1 && (n.op == "PartitionedCall" || n.op == "StatefulPartitionedCall"))
		for k, arg := range fn.args {
			if fn.other[arg] || plain && k < len(n.inputs) && m.givenPath(n.inputs[k], in) {
				continue
			}
			fn.other[arg], news = true, true
		}
	}
	return news
}

func refused(op, why string) *core.Error {
	return core.Errorf(core.CodeBadModel, "The SavedModel is refused: its operator %.80q %s. Models may compute only; files, processes, other machines and code of their own are out of their reach. Export the model without it.", op, why)
}

func (f *function) weightsOf() string {
	for _, n := range f.nodes {
		if is, _ := ofWeights(n.op); is {
			return n.op
		}
	}
	return ""
}

// givenPath says whether an input is the path that the loader gives: the tensor of that name, or an argument that is it.
func (m *metaGraph) givenPath(input string, in *function) bool {
	path, at, _ := output(m.filename)
	nodes := m.graph.nodes
	if in != nil {
		nodes = in.nodes
	}
	for range 16 {
		name, index, _ := output(input)
		if in == nil && name == path {
			return index == at
		}
		if in != nil {
			if other, is := in.other[name]; is {
				return index == 0 && !other
			}
		}
		n := nodes[name]
		if n == nil || n.op != "Identity" || len(n.inputs) == 0 {
			return false
		}
		input = n.inputs[0]
	}
	return false
}

// walk visits what running some operators can run: in the graph, what they depend on; of a function that is called, all of it.
type walk struct {
	m     *metaGraph
	seen  map[string]bool // nodes of the graph; functions behind an "@"
	queue []string
}

func (w *walk) start(name string) {
	if name, _, ok := output(name); ok && !w.seen[name] {
		w.seen[name] = true
		w.queue = append(w.queue, name)
	}
}

func (w *walk) call(name string) {
	if w.m.functions[name] != nil && !w.seen["@"+name] {
		w.seen["@"+name] = true
		w.queue = append(w.queue, "@"+name)
	}
}

func (w *walk) all(visit func(n *node, in *function) error) error {
	for len(w.queue) > 0 {
		name := w.queue[len(w.queue)-1]
		w.queue = w.queue[:len(w.queue)-1]
		if called, is := strings.CutPrefix(name, "@"); is {
			fn := w.m.functions[called]
			for _, n := range fn.nodes {
				w.calls(n)
				if err := visit(n, fn); err != nil {
					return err
				}
			}
			continue
		}
		n := w.m.graph.nodes[name]
		if n == nil {
			return core.Errorf(core.CodeBadModel, "The SavedModel is broken: it names the operator %.80q, which its graph does not have. Export the model again.", name)
		}
		w.calls(n)
		for _, in := range n.inputs {
			w.start(strings.TrimPrefix(in, "^"))
		}
		if err := visit(n, nil); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) calls(n *node) {
	w.call(n.op) // an operator may be a function by its own name
	for _, f := range n.calls {
		w.call(f)
	}
}

// output takes the name of a value apart: "dense/BiasAdd:0", or "dense/BiasAdd" for the first one. In functions an output has
// a name too: "call:output:0".
func output(name string) (node string, index int, ok bool) {
	node, rest, found := strings.Cut(name, ":")
	if !found {
		return node, 0, node != ""
	}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		rest = rest[i+1:]
	}
	index, err := strconv.Atoi(rest)
	return node, index, err == nil && node != "" && index >= 0 && index < 1<<16
}
