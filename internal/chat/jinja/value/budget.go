package value

import "strconv"

// pollEvery is the number of steps between two looks at Stop.
const pollEvery = 1024

// scanUnit is how many bytes of scanning cost one step.
const scanUnit = 64

// Budget bounds one rendering. It is used up, so every rendering needs a new one; it is not safe for concurrent use.
type Budget struct {
	Steps  int64       // units of work: a node, an item, 64 bytes scanned
	Memory int64       // bytes allocated in total, freed ones included
	Text   int         // bytes of one string
	Items  int         // items of one list or dict
	Depth  int         // nesting of evaluation and of data
	Stop   func() bool // asked every 1,024 steps; nil means never

	left  int64 // steps until the next look at Stop
	depth int
}

// Step spends n units of work.
func (b *Budget) Step(n int) error {
	b.left -= int64(n)
	if b.left >= 0 {
		return nil
	}
	return b.refill()
}

func (b *Budget) refill() error {
	if b.Stop != nil && b.Stop() {
		return &Error{Kind: Stopped, Message: "rendering was stopped by its caller"}
	}
	b.Steps += b.left
	if b.Steps < 0 {
		b.Steps, b.left = 0, 0
		return limitError("the template took too many steps")
	}
	b.left = min(b.Steps, pollEvery)
	b.Steps -= b.left
	return nil
}

// Scan spends the work of looking at n bytes.
func (b *Budget) Scan(n int) error { return b.Step(1 + n/scanUnit) }

// Alloc spends n bytes of memory, and the work of filling them.
func (b *Budget) Alloc(n int) error {
	b.Memory -= int64(n)
	if b.Memory < 0 {
		return limitError("the template used too much memory")
	}
	return b.Scan(n)
}

// NewText spends the memory of a new string of n bytes.
func (b *Budget) NewText(n int) error {
	if n < 0 || n > b.Text {
		return limitError("a string in the template grew over ", strconv.Itoa(b.Text), " bytes")
	}
	return b.Alloc(n)
}

// itemBytes is what an item of a list costs: its slot and, usually, a small value behind it.
const itemBytes = 64

// NewItems spends the memory of a new list of n items.
func (b *Budget) NewItems(n int) error {
	if n < 0 || n > b.Items {
		return limitError("a list in the template grew over ", strconv.Itoa(b.Items), " items")
	}
	b.Memory -= int64(n) * itemBytes
	if b.Memory < 0 {
		return limitError("the template used too much memory")
	}
	return b.Step(1 + n)
}

// Enter goes one level deeper and spends a step. Every successful Enter is paired with a Leave.
func (b *Budget) Enter() error {
	if b.depth >= b.Depth {
		return limitError("the template nests too deeply, or a macro calls itself without end")
	}
	b.depth++
	return b.Step(1)
}

// Leave comes back one level.
func (b *Budget) Leave() { b.depth-- }
