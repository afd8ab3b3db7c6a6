package tflite

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/core"
)

// rows is y = reshape(x, pack(shape(x)[0:1], 2, 2)) of four numbers: what exporters write for a model of any number of rows.
func rows() tab {
	const int32Type = byte(2)
	return tab{
		0: int32(3), 1: []tab{{3: int32(opShape), 0: byte(opShape)}, {3: int32(opStridedSlice), 0: byte(opStridedSlice)}, {3: int32(opPack), 0: byte(opPack)}, {3: int32(22), 0: byte(22)}},
		2: []tab{{
			0: []tab{
				{0: []int32{1, 4}, 3: "x"},
				{0: []int32{2}, 1: int32Type, 2: int32(1), 3: "sizes"},
				{0: []int32{1}, 1: int32Type, 2: int32(2), 3: "zero"},
				{0: []int32{1}, 1: int32Type, 2: int32(3), 3: "one"},
				{0: []int32{}, 1: int32Type, 2: int32(4), 3: "rows"},
				{0: []int32{}, 1: int32Type, 2: int32(5), 3: "two"},
				{0: []int32{3}, 1: int32Type, 2: int32(6), 3: "shape"},
				{0: []int32{1, 2, 2}, 3: "y"},
			},
			1: []int32{0}, 2: []int32{7},
			3: []tab{
				{0: int32(0), 1: []int32{0}, 2: []int32{1}},
				{0: int32(1), 1: []int32{1, 2, 3, 3}, 2: []int32{4}, 4: tab{4: int32(1)}},
				{0: int32(2), 1: []int32{4, 5, 5}, 2: []int32{6}},
				{0: int32(3), 1: []int32{0, 6}, 2: []int32{7}},
			},
		}},
		4: []tab{{}, {}, {0: "\x00\x00\x00\x00"}, {0: "\x01\x00\x00\x00"}, {}, {0: "\x02\x00\x00\x00"}, {}},
	}
}

// TestFold: a fixed file has constants in the place of what would be computed, and says the same otherwise.
func TestFold(t *testing.T) {
	for name, change := range map[string]func(tensors, ops []tab){
		"one number":         func(_, _ []tab) {},
		"the last but three": func(ts, _ []tab) { ts[2][2] = int32(7) },
		"all to an end": func(ts, ops []tab) { // shape(x) itself, by a slice of all of it
			ts[4][0], ops[1][4] = []int32{2}, tab{0: int32(1), 1: int32(1)}
			ops[3][1], ts[7][0] = []int32{0, 4}, []int32{1, 4}
		},
	} {
		m := rows()
		m[4] = append(m[4].([]tab), tab{0: "\xfe\xff\xff\xff"}) // −2: of two, the first
		g, ts, _ := parts(m)
		change(ts, g[3].([]tab))
		b := file(m)
		f, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil || len(f.Fixes) == 0 {
			t.Fatalf("%s: %+v, %v", name, f, err)
		}
		fixed := f.Fixed(slices.Clone(b))
		again, err := Read(bytes.NewReader(fixed), int64(len(fixed)))
		if err != nil || len(again.Fixes) != 0 || !slices.EqualFunc(again.Outputs, f.Outputs, func(a, b Tensor) bool { return a.Name == b.Name && slices.Equal(a.Shape, b.Shape) }) {
			t.Errorf("%s: %+v, %v", name, again, err)
		}
		if again.Operators[opPack] != 0 && again.Operators[opStridedSlice] != 0 || again.Operators[22] != 1 || again.Operators[opShape] != 1 || again.Weights <= f.Weights {
			t.Errorf("%s: %+v", name, again)
		}
	}
}

// TestNotFolded: what follows from more than shapes, and what others use too, is refused as before.
func TestNotFolded(t *testing.T) {
	for name, change := range map[string]func(m, g tab, tensors, ops []tab){
		"a shape that is an input":     func(_, g tab, _, _ []tab) { g[1] = []int32{0, 1}; g[3] = g[3].([]tab)[1:] },
		"an output":                    func(_, g tab, _, _ []tab) { g[2] = []int32{7, 6} },
		"a buffer of others":           func(_, _ tab, ts, _ []tab) { ts[6][2] = int32(1) },
		"another step":                 func(_, _ tab, _, ops []tab) { ops[1][1] = []int32{1, 2, 3, 5} },
		"a new dimension":              func(_, _ tab, _, ops []tab) { ops[1][4] = tab{3: int32(1), 4: int32(1)} },
		"nothing of it":                func(_, _ tab, _, ops []tab) { ops[1][1] = []int32{1, 5, 5, 3} },
		"too few operands":             func(_, _ tab, _, ops []tab) { ops[1][1] = []int32{1, 2, 3} },
		"numbers that are not single":  func(_, _ tab, _, ops []tab) { ops[2][1] = []int32{1, 5} },
		"an operand that is not there": func(_, _ tab, _, ops []tab) { ops[2][1] = []int32{-1, 5, 5} },
		"two results":                  func(_, _ tab, _, ops []tab) { ops[2][2] = []int32{6, 4} },
		"an end from the beginning":    func(_, _ tab, _, ops []tab) { ops[1][4] = tab{4: int32(1), 5: byte(1)} },
		"given twice":                  func(_, g tab, _, ops []tab) { g[3] = append(g[3].([]tab), ops[2]) },
		"what a loop gives": func(m, g tab, _, ops []tab) {
			g[0] = append(g[0].([]tab), tab{0: []int32{1, 4}, 3: "looped"})
			m[1] = append(m[1].([]tab), tab{3: int32(opWhile), 0: byte(opWhile)})
			ops[0][1] = []int32{8}
			g[3] = append([]tab{{0: int32(4), 1: []int32{0}, 2: []int32{8}}}, ops...)
		},
		"wide numbers": func(_, _ tab, ts, _ []tab) { ts[1][1] = byte(4) },
	} {
		m := rows()
		g, ts, _ := parts(m)
		change(m, g, ts, g[3].([]tab))
		b := file(m)
		if f, err := Read(bytes.NewReader(b), int64(len(b))); core.CodeOf(err) != core.CodeBadModel || !strings.Contains(err.Error(), "fixed shapes") {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
}

// TestOtherGraphs: the graph of a loop has the sizes that its call says, so that nothing is folded in it.
func TestOtherGraphs(t *testing.T) {
	m := rows()
	body, _, _ := parts(m)
	m[1] = append(m[1].([]tab), tab{3: int32(opWhile), 0: byte(opWhile)})
	m[2] = []tab{{
		0: []tab{{0: []int32{1, 4}, 3: "x"}, {0: []int32{1, 4}, 3: "y"}}, 1: []int32{0}, 2: []int32{1},
		3: []tab{{0: int32(4), 1: []int32{0}, 2: []int32{1}}},
	}, body}
	b := file(m)
	f, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(f.Fixes) != 0 || f.Operators[opPack] != 1 {
		t.Errorf("%+v, %v", f, err)
	}
}

func FuzzFold(f *testing.F) {
	f.Add(file(rows()))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil || len(m.Fixes) == 0 {
			return
		}
		fixed := m.Fixed(slices.Clone(b))
		if _, err := Read(bytes.NewReader(fixed), int64(len(fixed))); err != nil && core.CodeOf(err) != core.CodeBadModel {
			t.Error(err)
		}
	})
}
