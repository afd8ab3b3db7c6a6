// Package duel lets two files of one model's weights compute the same, side by side: first to see how far what they
// expect differs, then how fast they are. It decides nothing about them, writes no file, and loads none that its caller has
// not let package gguf accept.
package duel

import (
	"context"
	"path/filepath"
	"runtime"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/judge"
	"ashatai/internal/native/llama"
	"ashatai/internal/proc"
)

// Config says what meets.
type Config struct {
	Library       *llama.Library
	AsIs, Other   string // the files; AsIs counts as right
	Threads       int
	Poll          int     // as llama.PoolParams
	MaxDivergence float64 // nats per token, above which nothing is measured
	Step          func(measuring bool, part float64)
}

// Result is what was found. Speeds are nil where the divergence was too large.
type Result struct {
	Divergence float64
	Agreement  float64
	Tokens     int
	Speeds     []engine.WorkSpeed
}

// Run compares. The end of ctx stops it within one step of the library. Errors: CodeBadModel, CodeUnsupported,
// CodeOutOfMemory, CodeCancelled, CodeDeadline. Step is called from another goroutine, but not after Run returned.
func Run(ctx context.Context, cfg Config) (r Result, err error) {
	c := &match{cfg: cfg, abort: llama.NewAbort(), ended: func() error {
		if ctx.Err() == nil {
			return nil
		}
		return core.AsError(context.Cause(ctx))
	}}
	stop := context.AfterFunc(ctx, func() { c.abort.Set(true) })
	defer stop()
	done := make(chan struct{})
	// A goroutine of its own, whose thread ends with it: it may be bound to a processor.
	go func() {
		defer close(done)
		runtime.LockOSThread()
		r, err = c.run()
	}()
	<-done
	return r, err
}

// match is two models that compute the same in turn. Index 0 is the file as it is.
type match struct {
	ended  func() error // of the caller's context, when it has ended
	cfg    Config
	abort  *llama.Abort
	pool   *llama.ThreadPool
	models [2]*llama.Model
	rows   *llama.Batch
	tokens []llama.Token
}

func (c *match) run() (r Result, err error) {
	defer c.close()
	for i, path := range []string{c.cfg.AsIs, c.cfg.Other} {
		m, err := c.cfg.Library.LoadModel(path, c.cfg.Library.ModelDefaults())
		if err != nil {
			return r, core.Wrap(core.CodeBadModel, err, "llama.cpp cannot load %s; the file may be for another release than %s, or damaged.", filepath.Base(path), llama.Release)
		}
		c.models[i] = m
	}
	if !c.models[0].Causal() {
		return r, core.Errorf(core.CodeUnsupported, "This model does not generate text; only one that does can be optimized.")
	}
	if err := c.prepare(); err != nil {
		return r, err
	}
	sum, err := c.diverge()
	if err != nil {
		return r, err
	}
	r.Divergence, r.Agreement, r.Tokens = sum.Divergence(), sum.Agreement(), sum.Tokens
	if r.Divergence <= c.cfg.MaxDivergence {
		r.Speeds, err = c.speeds()
	}
	return r, err
}

func (c *match) tell(measuring bool, part float64) {
	if c.cfg.Step != nil {
		c.cfg.Step(measuring, part)
	}
}

// minCompared is how many tokens make a comparison; maxCompared bounds its time.
const (
	minCompared = 2000
	maxCompared = 2304
)

// prepare makes what both models share: threads as a serving model has, and the text.
func (c *match) prepare() error {
	p := llama.PoolParams{Threads: c.cfg.Threads, Poll: c.cfg.Poll}
	if all := proc.Processors(); len(all) == c.cfg.Threads && c.cfg.Threads > 1 {
		p.Pin = all
	}
	if pool, err := c.cfg.Library.NewThreadPool(p); err == nil {
		c.pool = pool
	}
	c.rows = llama.NewBatch(benchBatch)
	tokens, err := c.models[0].Vocab.Tokenize(judge.Text(), false)
	if err != nil || len(tokens) < minCompared {
		return core.Wrap(core.CodeUnsupported, err, "This model reads the text of the comparison as %d tokens; at least %d are needed.", len(tokens), minCompared)
	}
	c.tokens = tokens[:min(len(tokens), maxCompared)]
	return nil
}

func (c *match) close() {
	if c.rows != nil {
		c.rows.Close()
	}
	if c.pool != nil {
		c.pool.Close()
	}
	for _, m := range c.models {
		if m != nil {
			m.Close()
		}
	}
}

// spaces makes a context for each model. The caller calls free.
func (c *match) spaces(sequences, perSequence int) (both [2]*llama.Context, free func(), err error) {
	free = func() {
		for _, s := range both {
			if s != nil {
				s.Close()
			}
		}
	}
	p := c.cfg.Library.ContextDefaults()
	n := uint32(sequences * perSequence)                                                     //nolint:gosec // small
	p.NCtx, p.NBatch, p.NUbatch, p.NSeqMax = n, benchBatch, benchBatch, uint32(sequences)    //nolint:gosec // small
	p.NThreads, p.NThreadsBatch, p.NoPerf = int32(c.cfg.Threads), int32(c.cfg.Threads), true //nolint:gosec // bounded by fit
	p.FlashAttnType = llama.FlashAttnAuto
	for i, m := range c.models {
		s, err := m.NewContext(p, c.abort)
		if err != nil {
			free()
			return both, free, core.Wrap(core.CodeOutOfMemory, err, "Memory did not suffice to compare the weights: both are loaded at once for it. Unload other models and try again.")
		}
		if both[i] = s; c.pool != nil {
			s.Attach(c.pool)
		}
	}
	return both, free, nil
}

// decode computes the rows.
func (c *match) decode(s *llama.Context) error {
	status := s.Decode(c.rows)
	if err := c.ended(); err != nil {
		return err
	}
	if status != llama.DecodeOK {
		return core.Errorf(core.CodeInternal, "llama.cpp failed to compute a step of the comparison (status %d).", status)
	}
	return nil
}
