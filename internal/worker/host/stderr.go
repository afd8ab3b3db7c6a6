package host

import (
	"bytes"
	"context"
	"log/slog"
	"strings"

	"ashatai/internal/proc"
)

const maxLine = 2 << 10

// stderr collects what a worker writes to standard error: its end for the exit, each line for the log. One goroutine
// writes.
type stderr struct {
	tail *proc.Tail
	line []byte
	out  func(line string)
}

func newStderr(ctx context.Context, log *slog.Logger, runtime string) *stderr {
	ctx = context.WithoutCancel(ctx)
	return &stderr{tail: proc.NewTail(maxStderr), out: func(line string) {
		log.InfoContext(ctx, "worker output", slog.String("runtime", runtime), slog.String("line", line))
	}}
}

// Write never fails.
func (s *stderr) Write(b []byte) (int, error) {
	n, _ := s.tail.Write(b)
	for {
		head, rest, whole := bytes.Cut(b, []byte{'\n'})
		s.line = append(s.line, head[:min(len(head), maxLine-min(maxLine, len(s.line)))]...)
		if !whole {
			return n, nil
		}
		if len(s.line) > 0 {
			s.out(strings.ToValidUTF8(string(s.line), "�"))
		}
		s.line, b = s.line[:0], rest
	}
}
