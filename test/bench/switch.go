package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

// otherModel is the model that comes and goes beside the streams: the same file under another name, in a worker of its own.
const otherModel = "switched"

// offer puts the other model into a home before its server starts.
func offer(model, home string) error {
	dir := filepath.Join(home, "models")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	from, err := filepath.EvalSymlinks(model) // a link to a relative link would lead nowhere
	if err != nil {
		return err
	}
	to := filepath.Join(dir, otherModel+".gguf")
	if err := os.Link(from, to); err == nil {
		return nil
	}
	b, err := os.ReadFile(from) // another file system
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

// switched loads and unloads the other model in turn, on a server of ours; nil for others, which have one model.
func switched(s *server) func(ctx context.Context) error {
	if s.name != oursName {
		return nil
	}
	loaded := false
	return func(ctx context.Context) error {
		q := map[string]any{"model": otherModel, "stream": false}
		if loaded {
			q["keep_alive"] = 0
		}
		if err := s.call(ctx, http.MethodPost, "/api/generate", "", q, &struct{}{}); err != nil {
			return fmt.Errorf("switching models: %w", err)
		}
		loaded = !loaded
		return nil
	}
}
