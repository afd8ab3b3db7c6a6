package llama

import (
	"strconv"
	"strings"
	"sync"
	"unsafe"
)

// logTail keeps the last warnings and errors of the library, which reports the cause of a failure only there.
type logTail struct {
	mu    sync.Mutex
	lines []string
	keep  bool // the last line was kept, so its continuation is too
	sizes []Buffer
}

const (
	levelInfo  = 2
	levelWarn  = 3
	levelError = 4
	levelCont  = 5

	maxLogLines = 32
	maxLogLine  = 512
	maxBuffers  = 4096
)

// write is the library's log callback; it may be called from any of its threads.
func (t *logTail) write(level int32, text *byte, _ uintptr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if level != levelCont {
		t.keep = level == levelWarn || level == levelError
	}
	if level == levelInfo && text != nil {
		if b, ok := bufferIn(cString(text, maxLogLine)); ok && len(t.sizes) < maxBuffers {
			t.sizes = append(t.sizes, b)
		}
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

// Buffer is memory that the library made for a model or a context, or would make: what for, and where.
type Buffer struct {
	Where string // as ggml names it: "Vulkan0", "CPU_Mapped"
	Kind  string // "model", "KV", "compute", "output"
	Bytes int64
}

// bufferIn reads a line such as "load_tensors:      Vulkan0 model buffer size =    94.12 MiB". The library tells sizes nowhere
// else that C can ask for; a test holds that the pinned release writes them so.
func bufferIn(line string) (Buffer, bool) {
	_, rest, ok := strings.Cut(line, ": ")
	words := strings.Fields(rest)
	if !ok || len(words) != 7 || words[2] != "buffer" || words[3] != "size" || words[6] != "MiB" {
		return Buffer{}, false
	}
	mib, err := strconv.ParseFloat(words[5], 64)
	if err != nil || mib < 0 || mib > 1<<24 {
		return Buffer{}, false
	}
	return Buffer{Where: words[0], Kind: words[1], Bytes: int64(mib * (1 << 20))}, true
}

// buffers returns what was made since the last call, and forgets it.
func (t *logTail) buffers() []Buffer {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.sizes
	t.sizes = nil
	return b
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
