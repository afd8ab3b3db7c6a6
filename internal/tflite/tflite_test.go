package tflite

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/core"
)

// tab is a table to write: values of fields by their numbers. A field is a byte, an int32, a uint64, a text, a list of
// numbers, a table, a list of tables, or one table many times.
type tab map[int]any

// again is a list that refers to one table from each of its places.
type again struct {
	t tab
	n int
}

// write appends a table, with what it refers to behind it, and returns its place.
func write(b *[]byte, t tab) int {
	most := -1
	for id := range t {
		most = max(most, id)
	}
	vt := len(*b)
	*b = append(*b, make([]byte, 4+2*(most+1))...)
	at := len(*b)
	*b = append(*b, make([]byte, 4)...)
	binary.LittleEndian.PutUint32((*b)[at:], uint32(at-vt))
	later := map[int]int{} // places to fill, by field
	for id := range most + 1 {
		v, ok := t[id]
		if !ok {
			continue
		}
		binary.LittleEndian.PutUint16((*b)[vt+4+2*id:], uint16(len(*b)-at))
		switch v := v.(type) {
		case byte:
			*b = append(*b, v)
		case int32:
			*b = binary.LittleEndian.AppendUint32(*b, uint32(v))
		case uint64:
			*b = binary.LittleEndian.AppendUint64(*b, v)
		default:
			later[id] = len(*b)
			*b = append(*b, 0, 0, 0, 0)
		}
	}
	binary.LittleEndian.PutUint16((*b)[vt:], uint16(at-vt))
	binary.LittleEndian.PutUint16((*b)[vt+2:], uint16(len(*b)-at))
	for id := range most + 1 {
		from, ok := later[id]
		if !ok {
			continue
		}
		to := len(*b)
		switch v := t[id].(type) {
		case string:
			*b = append(binary.LittleEndian.AppendUint32(*b, uint32(len(v))), v...)
			*b = append(*b, 0)
		case []int32:
			*b = binary.LittleEndian.AppendUint32(*b, uint32(len(v)))
			for _, x := range v {
				*b = binary.LittleEndian.AppendUint32(*b, uint32(x))
			}
		case tab:
			to = write(b, v)
		case []tab:
			*b = append(binary.LittleEndian.AppendUint32(*b, uint32(len(v))), make([]byte, 4*len(v))...)
			for i, x := range v {
				place := to + 4 + 4*i
				off := write(b, x) - place // before b is looked at: it moves
				binary.LittleEndian.PutUint32((*b)[place:], uint32(off))
			}
		case again:
			*b = append(binary.LittleEndian.AppendUint32(*b, uint32(v.n)), make([]byte, 4*v.n)...)
			one := write(b, v.t)
			for i := range v.n {
				place := to + 4 + 4*i
				binary.LittleEndian.PutUint32((*b)[place:], uint32(one-place))
			}
		}
		binary.LittleEndian.PutUint32((*b)[from:], uint32(to-from))
	}
	return at
}

func file(m tab) []byte {
	b := append(make([]byte, 4), "TFL3"...)
	root := write(&b, m) // before b is looked at: it moves
	binary.LittleEndian.PutUint32(b, uint32(root))
	return append(b, make([]byte, 16)...)
}

// small is y = reshape(x, shape) of four numbers, where shape is a constant.
func small() tab {
	return tab{
		0: int32(3), 1: []tab{{0: byte(22), 3: int32(22)}},
		2: []tab{{
			0: []tab{
				{0: []int32{1, 4}, 1: byte(0), 2: int32(0), 3: "x"}, {0: []int32{2}, 1: byte(2), 2: int32(1), 3: "shape"}, {0: []int32{2, 2}, 1: byte(0), 2: int32(0), 3: "y"},
			},
			1: []int32{0}, 2: []int32{2}, 3: []tab{{0: int32(0), 1: []int32{0, 1}, 2: []int32{2}}},
		}},
		4: []tab{{}, {0: "\x02\x00\x00\x00\x02\x00\x00\x00"}},
	}
}

func parts(m tab) (graph tab, tensors []tab, op tab) {
	graph = m[2].([]tab)[0]
	return graph, graph[0].([]tab), graph[3].([]tab)[0]
}

func TestRead(t *testing.T) {
	b := file(small())
	f, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(f.Inputs) != 1 || f.Inputs[0].Name != "x" || f.Outputs[0].Name != "y" || !slices.Equal(f.Outputs[0].Shape, []int64{2, 2}) || f.Weights != 8 || f.Operators[22] != 1 {
		t.Fatalf("%+v, %v", f, err)
	}
	named := small()
	named[7] = []tab{{0: []tab{{0: "in", 1: int32(0)}}, 1: []tab{{0: "out", 1: int32(2)}}, 2: "serving_default", 4: int32(0)}}
	b = file(named)
	if f, err := Read(bytes.NewReader(b), int64(len(b))); err != nil || f.Inputs[0].Name != "in" || f.Outputs[0].Name != "out" {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestRefused(t *testing.T) {
	with := func(change func(m, graph, op tab, tensors []tab)) []byte {
		m := small()
		g, ts, op := parts(m)
		change(m, g, op, ts)
		return file(m)
	}
	kind := func(code int32, custom string) []byte {
		return with(func(m, _, _ tab, _ []tab) { m[1] = []tab{{0: byte(min(code, 127)), 1: custom, 3: code}} })
	}
	for name, c := range map[string]struct {
		b    []byte
		says string
	}{
		"empty":              {nil, "TFL3"},
		"another format":     {[]byte("GGUF is another one."), "TFL3"},
		"another version":    {with(func(m, _, _ tab, _ []tab) { m[0] = int32(2) }), "version 2"},
		"an own operator":    {kind(32, "FlexErf"), `"FlexErf"`},
		"a state":            {kind(142, ""), "from one call to the next"},
		"a variable":         {with(func(_, _, _ tab, ts []tab) { ts[0][5] = byte(1) }), "from one call to the next"},
		"values make shapes": {kind(109, ""), "fixed shapes"},
		"a shape that is computed": {with(func(_, g, _ tab, ts []tab) {
			ts[1][2] = int32(0)
			g[1] = []int32{0, 1}
		}), "fixed shapes"},
		"text":                  {with(func(_, _, _ tab, ts []tab) { ts[0][1] = byte(5) }), "plain numbers"},
		"a lie about the bytes": {with(func(_, _, _ tab, ts []tab) { ts[1][0] = []int32{300} }), "has 8 bytes"},
		"a negative size":       {with(func(_, _, _ tab, ts []tab) { ts[0][0] = []int32{1, -4} }), "dimension of -4"},
		"a huge tensor":         {with(func(_, _, _ tab, ts []tab) { ts[0][0] = []int32{1 << 30, 1 << 30} }), "dimension of"},
		"too many dimensions":   {with(func(_, _, _ tab, ts []tab) { ts[0][0] = make([]int32, 9) }), "9 dimensions"},
		"one graph from everywhere": {with(func(m, g, _ tab, ts []tab) {
			g[0] = again{ts[0], 1 << 16}
			m[2] = again{g, 1 << 10}
		}), "again and again"},
		"no graph":                {with(func(m, _, _ tab, _ []tab) { delete(m, 2) }), "0 graphs"},
		"no such input":           {with(func(_, g, _ tab, _ []tab) { g[1] = []int32{9} }), "the tensor 9"},
		"no such tensor":          {with(func(_, _, op tab, _ []tab) { op[1] = []int32{0, 99} }), "the tensor 99"},
		"no such kind":            {with(func(_, _, op tab, _ []tab) { op[0] = int32(7) }), "of the kind 7"},
		"no such buffer":          {with(func(_, _, _ tab, ts []tab) { ts[1][2] = int32(9) }), "no element 9"},
		"bytes beyond the file":   {with(func(m, _, _ tab, _ []tab) { m[4] = []tab{{}, {1: uint64(1 << 40), 2: uint64(8)}} }), "outside of the file"},
		"a signature of no graph": {with(func(m, _, _ tab, _ []tab) { m[7] = []tab{{4: int32(5)}} }), "the graph 5"},
		"a signature of no tensor": {with(func(m, _, _ tab, _ []tab) {
			m[7] = []tab{{0: []tab{{0: "in", 1: int32(50)}}}}
		}), "the tensor 50"},
		"a root beyond the file": {append([]byte{0xff, 0xff, 0xff, 0x7f}, "TFL3............"...), "out of the file"},
	} {
		if _, err := Read(bytes.NewReader(c.b), int64(len(c.b))); core.CodeOf(err) != core.CodeBadModel || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	whole := file(small())
	for n := range whole {
		if f, err := Read(bytes.NewReader(whole[:n]), int64(n)); (f == nil) != (err != nil) || err != nil && core.CodeOf(err) != core.CodeBadModel {
			t.Errorf("cut at %d: %v", n, err)
		}
		turned := slices.Clone(whole)
		turned[n] ^= 0xff
		if f, err := Read(bytes.NewReader(turned), int64(len(turned))); (f == nil) != (err != nil) || err != nil && core.CodeOf(err) != core.CodeBadModel {
			t.Errorf("turned at %d: %v", n, err)
		}
	}
}

// TestRealModels reads published models.
func TestRealModels(t *testing.T) {
	dir := os.Getenv("ASHATAI_TEST_TENSORFLOW_MODELS")
	if dir == "" {
		t.Skip("ASHATAI_TEST_TENSORFLOW_MODELS is not set; make test sets it")
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*"+Suffix))
	if err != nil || len(paths) < 8 {
		t.Fatalf("%v, %v", paths, err)
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck,revive // read only, to the end of the test
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		m, err := Read(f, info.Size())
		if filepath.Base(path) == "nmp.tflite" {
			if err != nil || len(m.Inputs) != 1 || len(m.Outputs) != 3 || len(m.Fixes) != 8*2+1 {
				t.Errorf("%s: %+v, %v", path, m, err)
			}
			continue
		}
		if err != nil || len(m.Inputs) != 1 || len(m.Outputs) != 2 || m.Weights < 1<<17 {
			t.Errorf("%s: %+v, %v", path, m, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file(small()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := Read(bytes.NewReader(b), int64(len(b))); (m == nil) != (err != nil) || err != nil && core.CodeOf(err) != core.CodeBadModel {
			t.Errorf("%+v, %v", m, err)
		}
	})
}
