package fallback

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"ashatai/internal/device"
	"ashatai/internal/engine"
)

// TestExpectWaitsForNoDisk: while a disk keeps what a load took from being written, what is expected is answered.
func TestExpectWaitsForNoDisk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "devices.json")
	if err := syscall.Mkfifo(file+".new", 0o600); err != nil { // whoever writes to it waits for a reader
		t.Fatal(err)
	}
	w := newWorld(ready("vulkan0"), nil)
	w.reg.cfg.File = file
	s := spec(engine.Offload{Policy: device.PolicyRequire})
	over := make(chan error, 1)
	go func() {
		m, err := w.run.Load(t.Context(), s, nil)
		if err == nil {
			err = m.Close()
		}
		over <- err
	}()
	for !slices.Equal(w.run.Expect(s, 80), []device.Part{{ID: "vulkan0", Bytes: 100}}) {
		select {
		case err := <-over:
			t.Fatalf("the load did not wait for the disk: %v", err)
		default:
			runtime.Gosched() // it has not got so far
		}
	}
	if _, err := os.ReadFile(file + ".new"); err != nil {
		t.Error(err)
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
}
