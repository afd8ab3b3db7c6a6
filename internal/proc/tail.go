package proc

import "sync"

// Tail is a writer that keeps the last bytes written to it. Its zero value keeps nothing; make one with NewTail.
type Tail struct {
	mu   sync.Mutex
	max  int
	data []byte
}

// NewTail makes a Tail that keeps up to limit bytes.
func NewTail(limit int) *Tail { return &Tail{max: limit} }

// Write never fails.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, b...)
	// Cut when twice the size is reached, so that most writes only append.
	if len(t.data) > 2*t.max {
		t.data = append(t.data[:0], t.data[len(t.data)-t.max:]...)
	}
	return len(b), nil
}

// String is what is kept.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data[max(0, len(t.data)-t.max):])
}
