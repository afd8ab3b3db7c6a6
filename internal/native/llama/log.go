package llama

import (
	"strings"
	"sync"
	"unsafe"
)

// logTail keeps the last warnings and errors of the library, which reports the cause of a failure only there.
type logTail struct {
	mu    sync.Mutex
	lines []string
	keep  bool // the last line was kept, so its continuation is too
}

const (
	levelWarn  = 3
	levelError = 4
	levelCont  = 5

	maxLogLines = 32
	maxLogLine  = 512
)

// write is the library's log callback; it may be called from any of its threads.
func (t *logTail) write(level int32, text *byte, _ uintptr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if level != levelCont {
		t.keep = level == levelWarn || level == levelError
	}
	if !t.keep || text == nil {
		return
	}
	line := strings.TrimSpace(cString(text, maxLogLine))
	if line == "" {
		return
	}
	t.lines = append(t.lines, line)
	if len(t.lines) > maxLogLines {
		t.lines = t.lines[1:]
	}
}

func (t *logTail) take() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := strings.Join(t.lines, "; ")
	t.lines = nil
	return s
}

// cString copies a NUL-terminated string, at most limit bytes of it.
func cString(p *byte, limit int) string {
	n := 0
	for n < limit && *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 { //nolint:gosec // up to the NUL that ends it
		n++
	}
	return string(unsafe.Slice(p, n)) //nolint:gosec // measured just now
}
