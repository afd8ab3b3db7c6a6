//go:build linux

package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestBusyCore(t *testing.T) {
	var neighbour []int
	err := besideBusyCore(t.Context(), func() {
		neighbour = children(os.Getpid())
		if len(neighbour) != 1 {
			t.Fatalf("children: %v", neighbour)
		}
		until := time.After(20 * time.Second)
		for {
			if used, ok := cpu(neighbour[0]); ok && used > 50*time.Millisecond {
				break
			}
			select {
			case <-until:
				t.Fatal("the neighbour computes nothing")
			case <-time.After(20 * time.Millisecond):
			}
		}
		if resident(neighbour[0]) <= 0 {
			t.Error("the neighbour holds no memory")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if left := children(os.Getpid()); len(left) != 0 {
		t.Errorf("the neighbour is still there: %v", left)
	}
}

func TestGoneProcess(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "false")
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if _, ok := cpu(cmd.Process.Pid); ok || resident(cmd.Process.Pid) != 0 || children(cmd.Process.Pid) != nil {
		t.Error("a process that ended has figures")
	}
}

func TestSpinEnds(t *testing.T) {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() { spin(r); close(done) }()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on after its input ended")
	}
}
