package onnxfile

import (
	"io"
	"math"
	"path"
	"strconv"
	"strings"

	"ashatai/internal/core"
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
)

// Read reads a model file. Every error is a core.CodeBadModel.
func Read(src io.ReaderAt, size int64) (*File, error) {
	r := reader{
		cursor:  cursor{src: src},
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
	cursor
	f       *File
	weights map[string]bool // initializers of the main graph, by name
	graphs  int
	tensors int
	nodes   int
}

// model reads a ModelProto.
func (r *reader) model(size int64) error {
	return r.each(0, size, func(f field) (err error) {
		switch f.number {
		case 1:
			r.f.IR = int64(f.value & math.MaxInt64)
		case 2:
			r.f.Producer, err = r.text(f)
		case 7:
			if r.graphs++; r.graphs > 1 {
				return damaged(f.start, "it has two graphs")
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

func (r *reader) opset(m field) error {
	domain, version := "", uint64(0)
	err := r.message(m, func(f field) (err error) {
		switch f.number {
		case 1:
			domain, err = r.text(f)
		case 2:
			version = f.value
		}
		return err
	})
	r.f.Opsets[domain] = int64(version & math.MaxInt64)
	return err
}

// message visits the fields of a field that is a message.
func (r *reader) message(m field, visit func(f field) error) error {
	if m.kind != lengthy {
		return damaged(m.start, "a message is missing")
	}
	return r.each(m.start, m.end, visit)
}

// pair reads a StringStringEntryProto into a map.
func (r *reader) pair(m field, into map[string]string) error {
	var key, value string
	err := r.message(m, func(f field) (err error) {
		switch f.number {
		case 1:
			key, err = r.text(f)
		case 2:
			if f.kind == lengthy && f.end-f.start > maxText {
				return nil // a long remark
			}
			value, err = r.text(f)
		}
		return err
	})
	if len(into) >= 1<<12 {
		return damaged(m.start, "it has too many properties")
	}
	into[key] = value
	return err
}

// graph reads a GraphProto; those in attributes lie deeper.
func (r *reader) graph(m field, depth int) error {
	if depth > maxDepth {
		return damaged(m.start, "graphs lie too deep in each other")
	}
	return r.message(m, func(f field) error {
		switch f.number {
		case 1:
			return r.node(f, depth)
		case 5:
			return r.tensor(f, depth == 0)
		case 11, 12:
			if depth > 0 {
				return nil
			}
			v, err := r.value(f)
			if f.number == 11 {
				r.f.Inputs = append(r.f.Inputs, v)
			} else {
				r.f.Outputs = append(r.f.Outputs, v)
			}
			if len(r.f.Inputs)+len(r.f.Outputs) > maxTensors {
				return damaged(f.start, "it has too many inputs and outputs")
			}
			return err
		case 15:
			return r.sparse(f)
		}
		return nil
	})
}

func (r *reader) function(m field) error {
	return r.message(m, func(f field) error {
		switch f.number {
		case 7:
			return r.node(f, 1)
		case 11:
			return r.attribute(f, 1)
		}
		return nil
	})
}

func (r *reader) sparse(m field) error {
	return r.message(m, func(f field) error {
		if f.number == 1 || f.number == 2 {
			return r.tensor(f, false)
		}
		return nil
	})
}

func (r *reader) node(m field, depth int) error {
	if r.nodes++; r.nodes > maxNodes {
		return damaged(m.start, "it has more than %d nodes", maxNodes)
	}
	name, domain := "", ""
	err := r.message(m, func(f field) (err error) {
		switch f.number {
		case 4:
			name, err = r.text(f)
		case 5:
			return r.attribute(f, depth)
		case 7:
			domain, err = r.text(f)
		}
		return err
	})
	if len(r.f.Operators) < 1<<16 {
		r.f.Operators[domain+"."+name]++
	}
	return err
}

func (r *reader) attribute(m field, depth int) error {
	return r.message(m, func(f field) error {
		switch f.number {
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
func (r *reader) tensor(m field, initializer bool) error {
	if r.tensors++; r.tensors > maxTensors {
		return damaged(m.start, "it has more than %d tensors", maxTensors)
	}
	name, elements, size := "", int64(1), int64(0)
	outside := map[string]string{}
	location := uint64(0)
	err := r.message(m, func(f field) (err error) {
		switch f.number {
		case 1:
			return r.dimensions(f, &elements)
		case 8:
			name, err = r.text(f)
		case 4, 5, 6, 7, 9, 10, 11:
			size += f.end - f.start
		case 13:
			return r.pair(f, outside)
		case 14:
			location = f.value
		}
		return err
	})
	if err != nil {
		return err
	}
	if location != 0 || len(outside) > 0 {
		e, err := external(m.start, name, outside)
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
func (r *reader) dimensions(f field, elements *int64) error {
	times := func(d uint64) error {
		if d > 1<<40 || d > 0 && *elements > math.MaxInt64/int64(d) {
			return damaged(f.start, "a tensor has a dimension of %d", d)
		}
		*elements *= int64(d)
		return nil
	}
	if f.kind == varint {
		return times(f.value)
	}
	for pos := f.start; pos < f.end; {
		d, next, err := r.varint(pos, f.end)
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
				return e, damaged(at, "the %s of an outside tensor is %.40q", key, s)
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
func (r *reader) value(m field) (v Value, err error) {
	err = r.message(m, func(f field) (err error) {
		switch f.number {
		case 1:
			v.Name, err = r.text(f)
		case 2:
			return r.message(f, func(f field) error {
				if f.number != 1 { // sequences, maps, optionals
					return nil
				}
				return r.tensorType(f, &v)
			})
		}
		return err
	})
	return v, err
}

func (r *reader) tensorType(m field, v *Value) error {
	return r.message(m, func(f field) error {
		switch f.number {
		case 1:
			v.Type = int(f.value & 0xff)
		case 2:
			return r.message(f, func(f field) error {
				if f.number != 1 {
					return nil
				}
				return r.dimension(f, v)
			})
		}
		return nil
	})
}

func (r *reader) dimension(m field, v *Value) error {
	if len(v.Shape) >= maxRank {
		return damaged(m.start, "a tensor has more than %d dimensions", maxRank)
	}
	size, name := int64(-1), ""
	err := r.message(m, func(f field) (err error) {
		switch f.number {
		case 1:
			if f.value <= math.MaxInt64 {
				size = int64(f.value)
			}
		case 2:
			name, err = r.text(f)
		}
		return err
	})
	v.Shape, v.Names = append(v.Shape, size), append(v.Names, name)
	return err
}
