package device

import (
	"fmt"
	"slices"
)

// Shape is what a model's parts take, in bytes, as its file says.
type Shape struct {
	Layers  []int64 // the weights of each repeating layer, the first first
	Output  int64   // the weights of the output, which counts as one more layer
	Rest    int64   // what always stays with the processor: the table of the input's tokens
	KV      int64   // keys and values of one token in one layer, at the type in force
	SmallKV int64   // the same at q8_0; 0: that type cannot be used, or is in force
}

// Ask is how a model should be loaded.
type Ask struct {
	Context      int // tokens of one sequence
	Sequences    int
	Cells        int // tokens that the KV space holds; 0: context times sequences
	Layers       int // wanted on devices, the output counted; negative: all that fit
	LeastContext int // the context is not made smaller than this to fit more
}

// Room is what one device has for the model.
type Room struct {
	ID    string
	Bytes int64 // free, within its limit
}

// Fit is a load that fits.
type Fit struct {
	Layers  int  // on devices, the output counted
	Of      int  // that there are
	SmallKV bool // keys and values as q8_0
	Context int
	Split   []int64  // bytes on each device
	Notes   []string // what was given up, in words
}

// weights is what n layers take, the last n as llama.cpp counts them: the output first, then the repeating ones from the end.
func (s Shape) weights(n int) int64 {
	if n < 1 {
		return 0
	}
	sum := s.Output
	for i := max(0, len(s.Layers)-(n-1)); i < len(s.Layers); i++ {
		sum += s.Layers[i]
	}
	return sum
}

// Need is what n layers take on devices: weights, keys and values, and the compute buffers.
func (s Shape) Need(n, cells int, small bool, compute int64) int64 {
	if n < 1 {
		return 0
	}
	kv := s.KV
	if small {
		kv = s.SmallKV
	}
	return s.weights(n) + kv*int64(cells)*int64(n-1) + compute
}

// Plan finds what fits into the rooms together: keys and values are made smaller first, then the context, then the number of
// layers. compute is what the devices need for buffers beside that, on each.
func (s Shape) Plan(a Ask, rooms []Room, compute int64) Fit {
	all := len(s.Layers) + 1
	f := Fit{Layers: all, Of: all, Context: a.Context}
	if a.Layers >= 0 {
		f.Layers = min(a.Layers, all)
	}
	var free int64
	for _, r := range rooms {
		free += max(0, r.Bytes-compute)
	}
	cells := func() int {
		if a.Cells > 0 {
			return max(min(a.Cells, f.Context*a.Sequences), f.Context)
		}
		return f.Context * a.Sequences
	}
	fits := func() bool { return s.Need(f.Layers, cells(), f.SmallKV, 0) <= free }
	wanted := f
	if !fits() && s.SmallKV > 0 && f.Layers > 1 {
		f.SmallKV = true
	}
	for !fits() && f.Context/2 >= max(a.LeastContext, 1) && f.Layers > 1 {
		f.Context /= 2
	}
	if !fits() && f.Layers > 0 {
		// A smaller context did not make it whole, so it is not worth giving up as well.
		f.Context = wanted.Context
		for f.Layers > 0 && !fits() {
			f.Layers--
		}
	}
	if f.Layers == 0 {
		f.SmallKV = false
	}
	f.Split = s.split(f, cells(), rooms, compute)
	f.Notes = notes(wanted, f, rooms)
	return f
}

// split shares what a fit takes among the rooms by their size.
func (s Shape) split(f Fit, cells int, rooms []Room, compute int64) []int64 {
	out := make([]int64, len(rooms))
	var free int64
	for _, r := range rooms {
		free += max(0, r.Bytes-compute)
	}
	if f.Layers == 0 || free <= 0 {
		return out
	}
	need := s.Need(f.Layers, cells, f.SmallKV, 0)
	for i, r := range rooms {
		if part := max(0, r.Bytes-compute); part > 0 {
			out[i] = int64(float64(need)*float64(part)/float64(free)) + compute
		}
	}
	return out
}

func notes(wanted, f Fit, rooms []Room) []string {
	var out []string
	if f.SmallKV && !wanted.SmallKV {
		out = append(out, "keys and values as q8_0")
	}
	if f.Context != wanted.Context {
		out = append(out, fmt.Sprintf("a context of %d instead of %d tokens", f.Context, wanted.Context))
	}
	if f.Layers != wanted.Layers {
		out = append(out, fmt.Sprintf("%d of %d layers on the device", f.Layers, f.Of))
	}
	if len(out) == 0 {
		return nil
	}
	for i, r := range rooms {
		word := "for"
		if i > 0 {
			word = "and"
		}
		out = append(out, fmt.Sprintf("%s %d MiB on %s", word, r.Bytes>>20, r.ID))
	}
	return slices.Clip(out)
}
