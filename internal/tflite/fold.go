package tflite

import (
	"encoding/binary"
	"slices"
)

// Fix is bytes to write over those of a file at a place; one that begins at the file's end makes it longer.
type Fix struct {
	At    int64
	Bytes []byte
}

// Fixed applies a file's fixes to its bytes, which may be written over. Without them LiteRT would find some shapes only while the
// model runs.
func (f *File) Fixed(b []byte) []byte {
	for _, x := range f.Fixes {
		b = slices.Grow(b, max(0, int(x.At)+len(x.Bytes)-len(b)))
		b = b[:max(len(b), int(x.At)+len(x.Bytes))]
		copy(b[x.At:], x.Bytes)
	}
	return b
}

// The operators that exporters write to keep the number of rows in a shape: of the shape of a tensor some numbers are taken, and packed
// with others. All inputs have the sizes that the file says, so the result is known before the model runs.
const (
	opShape        = 77
	opStridedSlice = 45
	opPack         = 83
	opWhile        = 119

	typeInt32 = 2
	// maxFold bounds files that are written anew: places in a FlatBuffer have 32 bits.
	maxFold = 1 << 30
)

// folded is an operator whose result is known, by its place in the graph's list.
type folded struct {
	operator int64
	tensor   int32
}

// value is the numbers of a tensor of a shape, where they are known; nil otherwise.
func (r *reader) value(g *graph, i int32) []int32 {
	if i < 0 {
		return nil
	}
	t := &g.tensors[i]
	if t.value != nil || t.Type != typeInt32 || t.data.count == 0 || t.data.count > 4*maxRank || t.data.count%4 != 0 {
		return t.value
	}
	v := make([]int32, 0, maxRank)
	for k := range t.data.count / 4 {
		v = append(v, r.i32(t.data.start+4*k))
	}
	return v
}

// result is what an operator makes of numbers that are known; nil where it is not one of those, or takes others.
func (r *reader) result(g *graph, code int, t table, in, out []int32) []int32 {
	if len(out) != 1 || out[0] < 0 || len(in) == 0 || g.tensors[out[0]].Type != typeInt32 {
		return nil
	}
	switch code {
	case opShape:
		if in[0] < 0 || !g.tensors[in[0]].known || g.tensors[in[0]].loose || len(g.tensors[in[0]].Shape) > maxRank {
			return nil
		}
		v := make([]int32, 0, maxRank)
		for _, d := range g.tensors[in[0]].Shape {
			v = append(v, int32(d)) //nolint:gosec // it was one
		}
		return v
	case opStridedSlice:
		return r.slice(g, t, in, len(g.tensors[out[0]].Shape) == 0)
	case opPack:
		var v []int32
		for _, i := range in {
			one := r.value(g, i)
			if len(one) != 1 || len(g.tensors[i].Shape) != 0 || len(v) == maxRank {
				return nil
			}
			v = append(v, one[0])
		}
		return v
	}
	return nil
}

// slice takes numbers one behind the other: from a place to another one, or where single says so the one at a place.
func (r *reader) slice(g *graph, t table, in []int32, single bool) []int32 {
	if len(in) != 4 {
		return nil
	}
	v, begin, end, step := r.value(g, in[0]), r.value(g, in[1]), r.value(g, in[2]), r.value(g, in[3])
	if v == nil || len(g.tensors[in[0]].Shape) != 1 || len(begin) != 1 || len(end) != 1 || len(step) != 1 || step[0] != 1 {
		return nil
	}
	// StridedSliceOptions: begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask, and whether the end counts from the beginning
	var mask [5]int64
	if at := r.field(t, 4, 4); at != 0 {
		options := table(at + r.u32(at))
		for i := range mask {
			mask[i] = r.numberOf(options, i)
		}
		if r.byteOf(options, len(mask)) != 0 {
			return nil
		}
	}
	place := func(p int32) int { // from the end where it is negative
		if p < 0 {
			p += int32(len(v)) //nolint:gosec // few
		}
		return int(min(max(p, 0), int32(len(v)))) //nolint:gosec // few
	}
	from, to := place(begin[0]), place(end[0])
	if mask[0] != 0 {
		from = 0
	}
	if mask[1] != 0 {
		to = len(v)
	}
	if single {
		to = from + 1
	}
	if mask[2] != 0 || mask[3] != 0 || (mask[4] != 0) != single || from >= to || to > len(v) {
		return nil
	}
	return v[from:to]
}

// fix writes the fixes of a file, all in the graph that is served: tensors whose numbers are known become constants, and the operators
// that would compute them go. In the other graphs the sizes are those of a call, and not those of the file.
func (r *reader) fix(g *graph, graphs []*graph) {
	users := map[int64]int{}
	for _, each := range graphs {
		for _, t := range each.tensors {
			users[t.buffer]++
		}
	}
	for _, i := range slices.Concat(g.inputs, g.outputs) {
		users[g.tensors[i].buffer]++
	}
	end := r.size
	var gone []int64
	for _, f := range g.folded {
		t := &g.tensors[f.tensor]
		if t.buffer == 0 || users[t.buffer] != 1 || r.size > maxFold {
			r.err = runTimeShapes("that of its tensor %.80q", t.Name)
			return
		}
		delete(users, t.buffer) // another operator that gives it is not one of a sound file
		gone = append(gone, f.operator)
		end = r.replace(r.buffers.start+4*t.buffer, end, t.value)
	}
	r.drop(g.operators, gone)
}

// replace puts a new Buffer of numbers at the end of the file, points to it from a place, and returns the new end.
func (r *reader) replace(from, end int64, value []int32) int64 {
	const align = 16
	le, b := binary.LittleEndian, make([]byte, (align-end%align)%align)
	for _, n := range []uint16{6, 8, 4, 0} { // its list of fields: its own size, that of the table, the place of the data; two bytes for alignment
		b = le.AppendUint16(b, n)
	}
	at := end + int64(len(b))
	b = le.AppendUint32(b, 8)                    // back to the list of fields
	b = le.AppendUint32(b, 4)                    // to the data, which lies on from here
	b = le.AppendUint32(b, uint32(4*len(value))) //nolint:gosec // few
	data := len(b) - 8
	for (end+int64(len(b)))%align != 0 { // what is before the numbers moves, so that these are aligned
		b = slices.Insert(b, len(b)-4, 0)
	}
	le.PutUint32(b[data:], uint32(len(b)-4-data)) //nolint:gosec // a few bytes
	for _, n := range value {
		b = le.AppendUint32(b, uint32(n)) //nolint:gosec // its bits
	}
	r.file.Fixes = append(r.file.Fixes, Fix{end, b}, Fix{from, le.AppendUint32(nil, uint32(at-from))}) //nolint:gosec // below maxFold
	return end + int64(len(b))
}

// drop takes operators out of a graph's list; their places are in order.
func (r *reader) drop(list vector, gone []int64) {
	le, live := binary.LittleEndian, int64(0)
	var b []byte
	for i := range list.count {
		if len(gone) > 0 && gone[0] == i {
			gone = gone[1:]
			continue
		}
		b = le.AppendUint32(b, uint32(int64(r.at(list, i))-(list.start+4*live))) //nolint:gosec // it lies behind, and below maxFold
		live++
	}
	r.file.Fixes = append(r.file.Fixes, Fix{list.start - 4, append(le.AppendUint32(nil, uint32(live)), b...)})
}
