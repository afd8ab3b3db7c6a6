package gguf

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"ashatai/internal/core"
)

const (
	maxDims = 4
	// maxTensorName is the longest name that native code keeps; it refuses longer ones.
	maxTensorName = 63
)

// Tensor is one row of the tensor table.
type Tensor struct {
	Name   string
	Dims   []uint64 // elements; the first dimension is the row
	Type   Type
	Offset uint64 // bytes from File.DataOffset
	Size   int64  // bytes
}

// Elements is the number of elements.
func (t *Tensor) Elements() uint64 {
	n := uint64(1)
	for _, d := range t.Dims {
		n *= d
	}
	return n
}

// tensors reads the table and checks where the data of each tensor lies.
func (p *parser) tensors(n int) *core.Error {
	names := make(map[string]struct{}, n)
	p.f.Tensors = make([]Tensor, 0, n)
	for i := range n {
		at := p.off
		t, err := p.tensor(i)
		if err != nil {
			return err
		}
		if _, twice := names[t.Name]; twice {
			return damaged(at, convertAgain, "the tensor %s appears twice", quote(t.Name))
		}
		names[t.Name] = struct{}{}
		p.f.Tensors = append(p.f.Tensors, t)
		p.f.params += t.Elements() // cannot wrap: the sizes are compared with the file's below, and an element takes a bit or more
	}
	a := int64(p.f.Alignment) //nolint:gosec // at most maxAlignment
	p.f.DataOffset = (p.off + a - 1) / a * a
	if p.f.DataOffset >= p.size {
		return damaged(p.off, downloadAgain, "the file ends before the tensor data, which must begin at byte %d", p.f.DataOffset)
	}
	return p.placement()
}

func (p *parser) tensor(i int) (Tensor, *core.Error) {
	at := p.off
	what := fmt.Sprintf("the name of tensor %d", i)
	b, err := p.view(maxTensorName, what)
	if err != nil {
		return Tensor{}, err
	}
	t := Tensor{Name: string(b)}
	if reason := badName(t.Name); reason != "" {
		return t, damaged(at, distrust, "%s %s", what, reason)
	}
	what = "the description of tensor " + quote(t.Name)
	if t.Dims, err = p.dims(what); err != nil {
		return t, err
	}
	typ, err := p.u32(what)
	if err != nil {
		return t, err
	}
	t.Type = Type(typ)
	if err = p.measure(&t); err != nil {
		return t, err
	}
	at = p.off
	if t.Offset, err = p.u64(what); err != nil {
		return t, err
	}
	if t.Offset%p.f.Alignment != 0 {
		return t, damaged(at, convertAgain, "the tensor %s has the offset %d, which is not a multiple of the alignment %d", quote(t.Name), t.Offset, p.f.Alignment)
	}
	return t, nil
}

func (p *parser) dims(what string) ([]uint64, *core.Error) {
	at := p.off
	n, err := p.u32(what)
	if err != nil {
		return nil, err
	}
	if n == 0 || n > maxDims {
		return nil, damaged(at, downloadAgain, "%s has %d dimensions; it must have 1 to %d", what, n, maxDims)
	}
	dims := make([]uint64, n)
	total := uint64(1)
	for i := range dims {
		at = p.off
		if dims[i], err = p.u64(what); err != nil {
			return nil, err
		}
		if dims[i] == 0 {
			return nil, damaged(at, downloadAgain, "%s has a dimension of 0", what)
		}
		hi, lo := bits.Mul64(total, dims[i])
		if hi != 0 || lo > math.MaxInt64 {
			return nil, damaged(at, distrust, "%s has dimensions whose product is too large to count", what)
		}
		total = lo
	}
	return dims, nil
}

// measure checks the type and computes the size. The cursor stands behind the type.
func (p *parser) measure(t *Tensor) *core.Error {
	at := p.off - 4
	name := quote(t.Name)
	if !t.Type.known() {
		if int(t.Type) < len(layouts) {
			return damaged(at, convertAgain, "the tensor %s has the type %s, which was withdrawn", name, t.Type)
		}
		return damaged(at, convertAgain, "the tensor %s has the type number %d, which this version does not know", name, uint32(t.Type))
	}
	if block := t.Type.BlockElements(); t.Dims[0]%block != 0 {
		return damaged(at, downloadAgain, "the tensor %s has rows of %d elements, which is not a multiple of the %d that %s stores together", name, t.Dims[0], block, t.Type)
	}
	size, ok := t.Type.RowBytes(t.Elements()) // whole rows are whole blocks, so the rows together are one long row
	if !ok || size > math.MaxInt64 {
		return damaged(at, distrust, "the tensor %s is larger than any file can be", name)
	}
	t.Size = int64(size)
	return nil
}

// placement checks that every tensor lies inside the file, that none overlaps another, and that they follow each other
// without gaps, which native code insists on.
func (p *parser) placement() *core.Error {
	room := uint64(p.size - p.f.DataOffset) //nolint:gosec // the caller compared them
	for i := range p.f.Tensors {
		t := &p.f.Tensors[i]
		if t.Offset >= room {
			return refused(downloadAgain, "the tensor %s begins at byte %d of the tensor data, but the file has only %d bytes of it", quote(t.Name), t.Offset, room)
		}
		if uint64(t.Size) > room-t.Offset { //nolint:gosec // sizes are not negative
			return refused(downloadAgain, "the tensor %s ends %d bytes behind the end of the file", quote(t.Name), uint64(t.Size)-(room-t.Offset)) //nolint:gosec // as above
		}
		p.f.weights += t.Size
	}
	order := make([]*Tensor, len(p.f.Tensors))
	for i := range order {
		order[i] = &p.f.Tensors[i]
	}
	slices.SortStableFunc(order, func(a, b *Tensor) int { return cmp.Compare(a.Offset, b.Offset) })
	for i, t := range order[1:] {
		if prev := order[i]; prev.Offset+uint64(prev.Size) > t.Offset { //nolint:gosec // both were compared with the file's size
			return refused(distrust, "the tensors %s and %s overlap", quote(prev.Name), quote(t.Name))
		}
	}
	next := uint64(0)
	for i := range p.f.Tensors {
		t := &p.f.Tensors[i]
		if t.Offset != next {
			return refused(convertAgain, "the tensor %s begins at byte %d of the tensor data where byte %d is its place; tensors must follow each other in the order of the table", quote(t.Name), t.Offset, next)
		}
		a := p.f.Alignment
		next = (t.Offset + uint64(t.Size) + a - 1) / a * a //nolint:gosec // compared with the file's size above
	}
	return nil
}
