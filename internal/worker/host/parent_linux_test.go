package host

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"ashatai/internal/proc"
)

// firstLine tells the first line written to it.
type firstLine struct {
	buf  strings.Builder
	line chan string
}

func (f *firstLine) Write(b []byte) (int, error) {
	f.buf.Write(b)
	if line, _, ok := strings.Cut(f.buf.String(), "\n"); ok {
		select {
		case f.line <- line:
		default:
		}
	}
	return len(b), nil
}

func TestWorkersEndWhenTheServerIsKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out := &firstLine{line: make(chan string, 1)}
	server, err := proc.Start(t.Context(), proc.Spec{Path: self, Args: []string{childFlag + "host", write(t, `{"format":"mock"}`)}, Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	var line string
	select {
	case line = <-out.line:
	case <-server.Done():
		t.Fatalf("the server ended: %+v %s", server.Exit(), out.buf.String())
	}
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatalf("the server said %q", line)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	<-server.Done()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 4000 {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(data), ") Z ") || strings.Contains(string(data), ") X ") {
			return
		}
		<-tick.C
	}
	t.Errorf("worker %d outlived its server", pid)
}
