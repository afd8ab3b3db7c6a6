package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// optimizedFolder is where a home of this server keeps what it found about a model's weights.
const optimizedFolder = "optimized"

// prepare lists who takes part. Where the best layout does, it is looked for once, and lies in the folder that is returned;
// a machine on which no other layout is worth it has one contestant less.
func prepare(ctx context.Context, o options) (all []contestant, optimized string, err error) {
	all = contestants(o)
	at := slices.IndexFunc(all, func(c contestant) bool { return c.name == bestName })
	if at < 0 {
		return all, "", nil
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, "", err
	}
	s, err := newServer(ctx, all[at], dir, o.name)
	if err == nil {
		err = optimize(ctx, s)
	}
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("looking for the best layout: %w", err), os.RemoveAll(dir))
	}
	weights, err := filepath.Glob(filepath.Join(s.home, optimizedFolder, "*.gguf"))
	if err != nil || len(weights) > 0 {
		return all, dir, err
	}
	fmt.Fprintln(os.Stderr, "bench: no other layout of the weights is worth it here")
	return slices.Delete(all, at, at+1), "", os.RemoveAll(dir)
}

// optimize starts a server for as long as its own command looks for faster weights.
func optimize(ctx context.Context, s *server) (err error) {
	fmt.Fprintln(os.Stderr, "bench: looking for the best layout of the weights")
	if err := s.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	cmd := exec.CommandContext(ctx, s.program, "optimize", s.model, "--server", s.url())
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

// give puts the optimized weights into a new home, as links: they are large and are not written to.
func give(from, home string) error {
	to := filepath.Join(home, optimizedFolder)
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(from, "home", optimizedFolder, "*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := os.Link(f, filepath.Join(to, filepath.Base(f))); err != nil {
			return err
		}
	}
	return nil
}
