package fetch

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"ashatai/internal/blob"
)

// TestKill: a process that downloads is killed; the next one asks for what is missing, byte by byte.
func TestKill(t *testing.T) {
	t.Parallel()
	const size, before = 4 << 20, 700_000
	s := newHost(t, weights(size))
	killed := make(chan struct{})
	var sent sync.Mutex
	var answers sync.WaitGroup
	total := 0
	s.bends(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		answers.Add(1)
		defer answers.Done()
		s.serve(writerFunc{w, func(b []byte) (int, error) { // all streams together stop after so many bytes
			sent.Lock()
			room := min(len(b), before-total)
			total += room
			sent.Unlock()
			n, err := w.Write(b[:room])
			flush(w)
			if room < len(b) && err == nil {
				<-killed
				return n, http.ErrAbortHandler
			}
			return n, err
		}}, r)
		return true
	})
	j := job(t, s)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childKey+"="+j.Blobs.Dir()+"|"+j.URL+"|"+j.SHA256)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); ; {
		if !lines.Scan() {
			t.Fatal("the child ended by itself")
		}
		if n, err := strconv.Atoi(lines.Text()); err != nil {
			t.Fatalf("the child said %q", lines.Text())
		} else if n == before {
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	close(killed)
	answers.Wait() // the last of them counts its bytes after they have gone out

	blobs, err := blob.Open(j.Blobs.Dir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blobs.Close() })
	j.Blobs, j.Limits.Streams = blobs, 3
	s.bends(nil)
	s.counts()
	run(t, j)
	wantFile(t, j, s.data)
	if _, again := s.counts(); again != size-before {
		t.Errorf("%d bytes were sent after the kill; %d were missing", again, size-before)
	}
}

// writerFunc replaces the way a body is written.
type writerFunc struct {
	http.ResponseWriter
	write func([]byte) (int, error)
}

func (w writerFunc) Write(b []byte) (int, error) { return w.write(b) }
