package onnxfile

import (
	"io"
	"math"
	"path"
	"strconv"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/protobuf"
)

// File is what a model file says of itself.
type File struct {
	IR         int64 // version of the format
	Producer   string
	Opsets     map[string]int64 // version by domain; "" is ONNX's own
	Inputs     []Value          // without those that have an initializer
	Outputs    []Value
	Operators  map[string]int // how often, by "domain.name"
	Parameters int64          // elements of all initializers
	Weights    int64          // bytes of all initializers, outside ones included
	External   []External
	Metadata   map[string]string
}

// Value is an input or an output. Type is an element type of ONNX, 0 for what is no tensor; a dimension of −1 is free.
type Value struct {
	Name  string
	Type  int
	Shape []int64
	Names []string // of the free dimensions, by place; empty where there is none
}

// External is a tensor that lies in another file.
type External struct {
	Tensor   string
	Location string // a slash-separated path below the model's folder
	Offset   int64
	Length   int64 // −1: to the end of the file
}

const (
	minIR      = 3
	maxIR      = 13
	maxTensors = 1 << 20
	maxNodes   = 4 << 20
	maxRank    = 64
	maxDepth   = 40 // of graphs in graphs
)

// Read reads a model file. Every error is a core.CodeBadModel.
func Read(src io.ReaderAt, size int64) (*File, error) {
	r := reader{
		Cursor:  protobuf.New(src),
		f:       &File{Opsets: map[string]int64{}, Operators: map[string]int{}, Metadata: map[string]string{}},
		weights: map[string]bool{},
	}
	if err := r.model(size); err != nil {
		return nil, err
	}
	if r.graphs == 0 || r.f.IR < minIR || r.f.IR > maxIR {
		return nil, core.Errorf(core.CodeBadModel, "The file is no ONNX model: it has %d graphs, and the version %d of the format, where %d to %d are known. Choose an ONNX model file.", r.graphs, r.f.IR, minIR, maxIR)
	}
	kept := r.f.Inputs[:0]
	for _, v := range r.f.Inputs {
		if !r.weights[v.Name] {
			kept = append(kept, v)
		}
	}
	r.f.Inputs = kept
	return r.f, nil
}

type reader struct {
	protobuf.Cursor
	f       *File
	weights map[string]bool // initializers of the main graph, by name
	graphs  int
	tensors int
	nodes   int
}

// model reads a ModelProto.
func (r *reader) model(size int64) error {
	return r.Each(0, size, func(f protobuf.Field) (err error) {
		switch f.Number {
		case 1:
			r.f.IR = int64(f.Value & math.MaxInt64)
		case 2:
			r.f.Producer, err = r.Text(f)
		case 7:
			if r.graphs++; r.graphs > 1 {
				return protobuf.Damaged(f.Start, "it has two graphs")
			}
			return r.graph(f, 0)
		case 8:
			return r.opset(f)
		case 14:
			return r.pair(f, r.f.Metadata)
		case 25: // functions: only their tensors and operators count
			return r.function(f)
		}
		return err
	})
}

func (r *reader) opset(m protobuf.Field) error {
	domain, version := "", uint64(0)
	err := r.message(m, func(f protobuf.Field) (err error) {
		switch f.Number {
		case 1:
			domain, err = r.Text(f)
		case 2:
			version = f.Value
		}
		return err
	})
	r.f.Opsets[domain] = int64(version & math.MaxInt64)
	return err
}

// message visits the fields of a field that is a message.
func (r *reader) message(m protobuf.Field, visit func(f protobuf.Field) error) error {
	if m.Kind != protobuf.Lengthy {
		return protobuf.Damaged(m.Start, "a message is missing")
	}
	return r.Each(m.Start, m.End, visit)
}

// pair reads a StringStringEntryProto into a map.
func (r *reader) pair(m protobuf.Field, into map[string]string) error {
	var key, value string
	err := r.message(m, func(f protobuf.Field) (err error) {
		switch f.Number {
		case 1:
			key, err = r.Text(f)
		case 2:
			if f.Kind == protobuf.Lengthy && f.End-f.Start > protobuf.MaxText {
				return nil // a long remark
			}
			value, err = r.Text(f)
		}
		return err
	})
	if len(into) >= 1<<12 {
		return protobuf.Damaged(m.Start, "it has too many properties")
	}
	into[key] = value
	return err
}

// graph reads a GraphProto; those in attributes lie deeper.
func (r *reader) graph(m protobuf.Field, depth int) error {
	if depth > maxDepth {
		return protobuf.Damaged(m.Start, "graphs lie too deep in each other")
	}
	return r.message(m, func(f protobuf.Field) error {
		switch f.Number {
		case 1:
			return r.node(f, depth)
		case 5:
			return r.tensor(f, depth == 0)
		case 11, 12:
			if depth > 0 {
				return nil
			}
			v, err := r.value(f)
			if f.Number == 11 {
				r.f.Inputs = append(r.f.Inputs, v)
			} else {
				r.f.Outputs = append(r.f.Outputs, v)
			}
			if len(r.f.Inputs)+len(r.f.Outputs) > maxTensors {
				return protobuf.Damaged(f.Start, "it has too many inputs and outputs")
			}
			return err
		case 15:
			return r.sparse(f)
		}
		return nil
	})
}

func (r *reader) function(m protobuf.Field) error {
	return r.message(m, func(f protobuf.Field) error {
		switch f.Number {
		case 7:
			return r.node(f, 1)
		case 11:
			return r.attribute(f, 1)
		}
		return nil
	})
}

func (r *reader) sparse(m protobuf.Field) error {
	return r.message(m, func(f protobuf.Field) error {
		if f.Number == 1 || f.Number == 2 {
			return r.tensor(f, false)
		}
		return nil
	})
}

func (r *reader) node(m protobuf.Field, depth int) error {
	if r.nodes++; r.nodes > maxNodes {
		return protobuf.Damaged(m.Start, "it has more than %d nodes", maxNodes)
	}
	name, domain := "", ""
	err := r.message(m, func(f protobuf.Field) (err error) {
		switch f.Number {
		case 4:
			name, err = r.Text(f)
		case 5:
			return r.attribute(f, depth)
		case 7:
			domain, err = r.Text(f)
		}
		return err
	})
	if len(r.f.Operators) < 1<<16 {
		r.f.Operators[domain+"."+name]++
	}
	return err
}

func (r *reader) attribute(m protobuf.Field, depth int) error {
	return r.message(m, func(f protobuf.Field) error {
		switch f.Number {
		case 5, 10:
			return r.tensor(f, false)
		case 6, 11:
			return r.graph(f, depth+1)
		case 22, 23:
			return r.sparse(f)
		}
		return nil
	})
}

// tensor reads a TensorProto without its elements.
func (r *reader) tensor(m protobuf.Field, initializer bool) error {
	if r.tensors++; r.tensors > maxTensors {
		return protobuf.Damaged(m.Start, "it has more than %d tensors", maxTensors)
	}
	name, elements, size := "", int64(1), int64(0)
	outside := map[string]string{}
	location := uint64(0)
	err := r.message(m, func(f protobuf.Field) (err error) {
		switch f.Number {
		case 1:
			return r.dimensions(f, &elements)
		case 8:
			name, err = r.Text(f)
		case 4, 5, 6, 7, 9, 10, 11:
			size += f.End - f.Start
		case 13:
			return r.pair(f, outside)
		case 14:
			location = f.Value
		}
		return err
	})
	if err != nil {
		return err
	}
	if location != 0 || len(outside) > 0 {
		e, err := external(m.Start, name, outside)
		if err != nil {
			return err
		}
		r.f.External = append(r.f.External, e)
		size = max(e.Length, 0)
	}
	if initializer {
		r.weights[name] = true
		r.f.Parameters = add(r.f.Parameters, elements)
		r.f.Weights = add(r.f.Weights, size)
	}
	return nil
}

// dimensions multiplies the sizes of a tensor; they come one by one, or packed.
func (r *reader) dimensions(f protobuf.Field, elements *int64) error {
	times := func(d uint64) error {
		if d > 1<<40 || d > 0 && *elements > math.MaxInt64/int64(d) {
			return protobuf.Damaged(f.Start, "a tensor has a dimension of %d", d)
		}
		*elements *= int64(d)
		return nil
	}
	if f.Kind == protobuf.Varint {
		return times(f.Value)
	}
	for pos := f.Start; pos < f.End; {
		d, next, err := r.Varint(pos, f.End)
		if err != nil {
			return err
		}
		if err := times(d); err != nil {
			return err
		}
		pos = next
	}
	return nil
}

func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// external reads where a tensor lies. What leads out of the folder is refused.
func external(at int64, tensor string, p map[string]string) (External, error) {
	e := External{Tensor: tensor, Location: p["location"], Length: -1}
	for key, to := range map[string]*int64{"offset": &e.Offset, "length": &e.Length} {
		if s := p[key]; s != "" {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil || n < 0 {
				return e, protobuf.Damaged(at, "the %s of an outside tensor is %.40q", key, s)
			}
			*to = n
		}
	}
	l := e.Location
	if l == "" || path.IsAbs(l) || path.Clean(l) != l || l == ".." || strings.HasPrefix(l, "../") || strings.ContainsAny(l, "\\:\x00") {
		return e, core.Errorf(core.CodeBadModel, "The model file is refused: its tensor %.80q lies in the file %.120q, which is not plainly inside the model's folder. The file is damaged or was made to do harm; get it again from a publisher you trust.", tensor, l)
	}
	return e, nil
}

// value reads a ValueInfoProto.
func (r *reader) value(m protobuf.Field) (v Value, err error) {
	err = r.message(m, func(f protobuf.Field) (err error) {
		switch f.Number {
		case 1:
			v.Name, err = r.Text(f)
		case 2:
			return r.message(f, func(f protobuf.Field) error {
				if f.Number != 1 { // sequences, maps, optionals
					return nil
				}
				return r.tensorType(f, &v)
			})
		}
		return err
	})
	return v, err
}

func (r *reader) tensorType(m protobuf.Field, v *Value) error {
	return r.message(m, func(f protobuf.Field) error {
		switch f.Number {
		case 1:
			v.Type = int(f.Value & 0xff)
		case 2:
			return r.message(f, func(f protobuf.Field) error {
				if f.Number != 1 {
					return nil
				}
				return r.dimension(f, v)
			})
		}
		return nil
	})
}

func (r *reader) dimension(m protobuf.Field, v *Value) error {
	if len(v.Shape) >= maxRank {
		return protobuf.Damaged(m.Start, "a tensor has more than %d dimensions", maxRank)
	}
	size, name := int64(-1), ""
	err := r.message(m, func(f protobuf.Field) (err error) {
		switch f.Number {
		case 1:
			if f.Value <= math.MaxInt64 {
				size = int64(f.Value)
			}
		case 2:
			name, err = r.Text(f)
		}
		return err
	})
	v.Shape, v.Names = append(v.Shape, size), append(v.Names, name)
	return err
}
