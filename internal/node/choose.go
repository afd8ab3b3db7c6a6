package node

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/fleet"
	"ashatai/internal/infer"
)

// runtimeOf chooses the runtime of a model: the setting, or the one that claims its format.
func (n *Node) runtimeOf(m *core.Manifest) string {
	if t := n.set.Runtime.Type; t != "" {
		return t
	}
	name, _ := catalog.ForFormat(m.Format)
	return name
}

// settingsOf finds what the settings say about a model: under its canonical name, its short one or an alias.
func (n *Node) settingsOf(m *core.Manifest) infer.Settings {
	e := n.set.Engine
	s := infer.Settings{Load: engine.LoadSpec{
		Context: e.Context, Sequences: e.Sequences, Batch: e.Batch, Threads: e.Threads, Memory: budget(n.set),
	}}
	own, ok := modelSettings(n.set.Models, m)
	switch {
	case own.Context > 0:
		s.Load.Context = own.Context
	case m.Window > 0: // the model was made for it
		s.Load.Context = m.Window
		if m.Context > 0 {
			s.Load.Context = min(m.Window, m.Context)
		}
	default: // a general bound above what the model was trained for asks for nothing more
		s.Load.Context = min(e.Context, max(m.Context, 0))
	}
	n.engineOptions(m, own, &s)
	if !ok {
		return s
	}
	if own.Sequences > 0 {
		s.Load.Sequences = own.Sequences
	}
	if own.Threads > 0 {
		s.Load.Threads = own.Threads
	}
	s.Runtime, s.Pinned, s.Sampling = own.Runtime, own.Pinned, own.Sampling.Core()
	if own.KeepAlive != nil {
		s.KeepAlive = keepAlive(*own.KeepAlive)
	}
	return s
}

// engineOptions sets what only the llama.cpp runtime knows.
func (n *Node) engineOptions(m *core.Manifest, own config.Model, s *infer.Settings) {
	runtime := own.Runtime
	if runtime == "" {
		runtime = n.runtimeOf(m)
	}
	if runtime != catalog.LlamaCpp {
		return
	}
	e, spec := n.set.Engine, &s.Load
	spec.Options = map[string]string{
		"digest": m.Digest, "kv_type": e.KVType, "max_gap": e.MaxGap.String(), "cache_age": e.CacheAge.String(),
		"repeatable": strconv.FormatBool(e.Repeatable), "speculate": strconv.FormatBool(e.Speculation),
		"kv_tokens": strconv.Itoa(e.KVTokens), "prefill_threads": strconv.Itoa(e.Prefill), "cache_memory": strconv.FormatInt(int64(e.CacheMemory), 10), "cache_disk": strconv.FormatInt(int64(e.CacheDisk), 10),
	}
	n.chooseWeights(m, s)
	spec.Scratch = filepath.Join(n.set.Home, "cache", "models", strings.ReplaceAll(m.Digest, ":", "-"))
}

func modelSettings(all map[string]config.Model, m *core.Manifest) (config.Model, bool) {
	names := append([]string{m.Name}, m.Aliases...)
	if p, err := core.ParseModelName(m.Name); err == nil {
		names = append(names, p.Short())
	}
	for _, name := range names {
		if s, ok := all[name]; ok {
			return s, true
		}
	}
	return config.Model{}, false
}

// computeReserve is what a model takes beyond its weights before a load has measured it.
const computeReserve = 256 << 20

// estimate is the memory that a load will take, until the load has measured it.
func estimate(m *core.Manifest, spec engine.LoadSpec) int64 {
	size := m.Size()
	if info, err := os.Stat(spec.Path); err == nil { // other weights may be larger
		size = max(size, info.Size())
	}
	return size + size/4 + computeReserve
}

// inferFleet gives infer its view of the fleet.
type inferFleet struct{ *fleet.Fleet }

func (f inferFleet) Generate(ctx context.Context, t infer.Target, it core.QueueItem, req engine.GenerateRequest) (*core.Stream, error) {
	return f.Fleet.Generate(ctx, fleet.Target(wished(ctx, t)), it, req)
}

func (f inferFleet) Embed(ctx context.Context, t infer.Target, it core.QueueItem, p []engine.Prompt) ([][]float32, core.Usage, core.Placement, error) {
	return f.Fleet.Embed(ctx, fleet.Target(wished(ctx, t)), it, p)
}

func (f inferFleet) Rerank(ctx context.Context, t infer.Target, it core.QueueItem, query string, documents []string) ([]float32, core.Usage, core.Placement, error) {
	return f.Fleet.Rerank(ctx, fleet.Target(wished(ctx, t)), it, query, documents)
}

func (f inferFleet) Tokenize(ctx context.Context, t infer.Target, p engine.Prompt) ([]int, error) {
	return f.Fleet.Tokenize(ctx, fleet.Target(wished(ctx, t)), p)
}

func (f inferFleet) Detokenize(ctx context.Context, t infer.Target, tokens []int) ([]byte, error) {
	return f.Fleet.Detokenize(ctx, fleet.Target(wished(ctx, t)), tokens)
}
