// Command bench compares this server with llama-server of the same llama.cpp release. It starts the two in turn on
// loopback, never both at once, drives each with llmbench's fixed scenarios, and prints a Markdown table of medians and
// ratios. It changes no setting of the machine and ends the processes that it started.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

type options struct {
	load, ours, peer, model, only string
	rounds                        int
	pause                         time.Duration
	limit                         time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.load, "load", "", "the llmbench program")
	flag.StringVar(&o.ours, "ours", "", "the ashatai program")
	flag.StringVar(&o.peer, "peer", "", "the llama-server program")
	flag.StringVar(&o.model, "model", "", "GGUF file for both")
	flag.StringVar(&o.only, "only", "", "comma-separated parts of the suite: decode,prefix,agents,stall,cancel")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each server is measured, in turn")
	flag.DurationVar(&o.pause, "pause", 2*time.Second, "rest between two servers")
	flag.DurationVar(&o.limit, "limit", 10*time.Minute, "longest time of one server's turn")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.load == "" || o.ours == "" || o.peer == "" || o.model == "" || o.rounds < 1 {
		return errors.New("-load, -ours, -peer and -model name files, and -rounds is at least 1; `make bench` gives them all")
	}
	var ours, peer []turn
	for r := range o.rounds {
		// Who goes first changes, so that a machine that warms up or fills a cache favours nobody.
		order := []bool{true, false}
		if r%2 == 1 {
			order = []bool{false, true}
		}
		for _, mine := range order {
			name := "llama-server"
			if mine {
				name = "ashatai"
			}
			fmt.Fprintf(os.Stderr, "bench: round %d of %d, %s\n", r+1, o.rounds, name)
			t, err := measure(ctx, o, mine)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if mine {
				ours = append(ours, t)
			} else {
				peer = append(peer, t)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(o.pause):
			}
		}
	}
	fmt.Printf("%d rounds, in turn; %d cores, %s/%s; load before each turn %s. Medians.\n\n", o.rounds, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, loads(ours, peer))
	fmt.Print(markdown(ours, peer))
	return nil
}
