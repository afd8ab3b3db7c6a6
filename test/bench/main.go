// Command bench compares this server with llama-server of the same llama.cpp release. It starts them in turn on loopback,
// never two at once, drives each with the same pieces of work, and prints a Markdown table of medians, ratios and targets.
// It changes no setting of the machine and ends the processes that it started.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	ours, peer, model, name string
	json                    string
	completions, targets    bool
	only, who, sets         []string
	rounds, repeats         int
	pause, limit, window    time.Duration
}

func main() {
	o := flags()
	if len(os.Args) == 2 && os.Args[1] == spinArgument {
		spin(os.Stdin)
		return
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func flags() *options {
	o := &options{}
	list := func(into *[]string) func(string) error {
		return func(s string) error {
			for v := range strings.SplitSeq(s, ",") {
				*into = append(*into, strings.TrimSpace(v))
			}
			return nil
		}
	}
	flag.StringVar(&o.ours, "ours", "", "the ashatai program")
	flag.StringVar(&o.peer, "peer", "", "the llama-server program")
	flag.StringVar(&o.model, "model", "", "GGUF file for llama-server")
	flag.StringVar(&o.name, "name", "", "the model's name for ashatai (default: the first that it lists)")
	flag.StringVar(&o.json, "json", "", "write every figure to this file too")
	flag.BoolVar(&o.completions, "completions", false, "send raw prompts, for a model without a chat template")
	flag.BoolVar(&o.targets, "targets", false, "show the targets, and whether they are met")
	flag.Func("only", "comma-separated pieces of work: "+strings.Join(pieces(), ","), list(&o.only))
	flag.Func("who", "comma-separated contestants: ours, best, peer, speculating (default: all)", list(&o.who))
	flag.Func("set", "a setting KEY=VALUE for ashatai; may be repeated", func(s string) error {
		o.sets = append(o.sets, s)
		return nil
	})
	flag.IntVar(&o.rounds, "rounds", 3, "how often each server is measured, in turn")
	flag.IntVar(&o.repeats, "repeats", 2, "how often the cases of decode and prefix run in a turn")
	flag.DurationVar(&o.pause, "pause", 2*time.Second, "rest between two servers")
	flag.DurationVar(&o.limit, "limit", 10*time.Minute, "longest time of one server's turn")
	flag.DurationVar(&o.window, "window", 10*time.Second, "longest time of one look at a server beside a busy core")
	return o
}

func (o options) check() error {
	if o.ours == "" || o.peer == "" || o.model == "" || o.rounds < 1 {
		return errors.New("-ours, -peer and -model name files, and -rounds is at least 1; `make bench` gives them all")
	}
	for _, p := range o.only {
		if !slices.Contains(pieces(), p) {
			return fmt.Errorf("-only %s: the pieces of work are %s", p, strings.Join(pieces(), ", "))
		}
	}
	for _, w := range o.who {
		if !slices.Contains([]string{oursName, bestName, peerName, specName}, w) {
			return fmt.Errorf("-who %s: the contestants are %s, %s, %s and %s", w, oursName, bestName, peerName, specName)
		}
	}
	return nil
}

// wants says whether a piece of work is done. Formats belong to conversations, which raw prompts are not.
func (o options) wants(piece string) bool {
	if named(piece) {
		return slices.Contains(o.only, piece)
	}
	return (len(o.only) == 0 || slices.Contains(o.only, piece)) && (piece != "schemas" || !o.completions)
}

func run(ctx context.Context, o options, out io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	all, optimized, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	if optimized != "" {
		defer os.RemoveAll(optimized) //nolint:errcheck // in the temporary folder
	}
	var turns []turn
	for r := range o.rounds {
		for i := range all {
			// Who goes first changes, so that a machine that warms up or fills a cache favours nobody.
			c := all[(i+r)%len(all)]
			fmt.Fprintf(os.Stderr, "bench: round %d of %d, %s\n", r+1, o.rounds, c.title)
			t, err := measure(ctx, o, c, optimized)
			if err != nil {
				return fmt.Errorf("%s: %w", c.title, err)
			}
			t.Round = r + 1
			turns = append(turns, t)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(o.pause):
			}
		}
	}
	rep := newReport(o, turns)
	if o.json != "" {
		if err := rep.write(o.json); err != nil {
			return err
		}
	}
	_, err = io.WriteString(out, rep.markdown(o.targets))
	return err
}
