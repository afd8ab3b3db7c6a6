package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// spinArgument makes this program the busy neighbour.
const spinArgument = "spin-until-input-ends"

// spin keeps one core busy until its input ends, which it does when the program that started it stops, however that ends.
func spin(in io.Reader) {
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, in) // its end, also by an error, is the sign
		close(done)
	}()
	x := uint64(1)
	for {
		for range 1 << 16 {
			x = x*6364136223846793005 + 1442695040888963407
		}
		select {
		case <-done:
			fmt.Fprint(io.Discard, x) // so that the loop computes something
			return
		default:
		}
	}
}

// besideBusyCore runs work while another process, at normal priority, keeps one core busy. That process has a session of
// its own, as another service or another user's program has: Linux shares the cores among sessions first, so a neighbour
// from the same session would take less.
func besideBusyCore(ctx context.Context, work func()) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, spinArgument)
	ownSession(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("the busy neighbour: %w", err)
	}
	work()
	_ = in.Close() // an error means that it ended by itself, which Wait tells
	return cmd.Wait()
}
