package node

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ashatai/internal/chat"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/fleet"
	"ashatai/internal/infer"
	"ashatai/internal/node/devices"
	"ashatai/internal/node/view"
	"ashatai/internal/node/wish"
)

// visible is the installed models as the credential of a request may use them.
func (n *Node) visible() view.Models { return view.Models{Models: n.models} }

// shown is the same for whoever asks what they are and can do.
func (n *Node) shown() view.Shown {
	return view.Shown{Models: n.visible(), Abilities: n.infer.Abilities}
}

// runtimeOf chooses the runtime of a model: the setting, or the one that claims its format.
func (n *Node) runtimeOf(m *core.Manifest) string {
	if t := n.set.Runtime.Type; t != "" && !m.Elsewhere() {
		return t
	}
	name, _ := catalog.ForFormat(m.Format)
	return name
}

// settingsOf finds what the settings say about a model: under its canonical name, its short one or an alias.
func (n *Node) settingsOf(m *core.Manifest) infer.Settings {
	own, ok := modelSettings(n.current().Models, m, n.naming())
	s := n.loadOf(m, own)
	if !ok {
		return s
	}
	s.Runtime, s.Pinned, s.Sampling = own.Runtime, own.Pinned, own.Sampling.Core()
	s.Replicas, s.Local = n.replicasOf(m, own)
	s.Balance, s.System, s.Template, s.Stop = own.Balance, own.System, own.Template, own.Stop
	if own.KeepAlive != nil {
		s.KeepAlive = wish.KeepAlive(*own.KeepAlive)
	}
	return s
}

// loadOf is how a model of a section is loaded here.
func (n *Node) loadOf(m *core.Manifest, own config.Model) infer.Settings {
	e := own.Engine.Over(n.set.Engine)
	s := infer.Settings{Load: engine.LoadSpec{
		Context: e.Context, Sequences: e.Sequences, Batch: e.Batch, Threads: e.Threads,
	}}
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
	if own.Sequences > 0 {
		s.Load.Sequences = own.Sequences
	}
	if own.Threads > 0 {
		s.Load.Threads = own.Threads
	}
	n.engineOptions(m, own, e, &s)
	return s
}

// engineOptions sets what only one runtime knows.
func (n *Node) engineOptions(m *core.Manifest, own config.Model, e config.Engine, s *infer.Settings) {
	switch cmp.Or(own.Runtime, n.runtimeOf(m)) {
	case catalog.PyTorch:
		s.Load.Options = map[string]string{"trusted": strconv.FormatBool(own.Trusted)}
		if own.DType != "" {
			s.Load.Options["dtype"] = own.DType
		}
	case catalog.LlamaCpp:
		spec := &s.Load
		spec.Options = map[string]string{
			"digest": m.Digest, "kv_type": e.KVType, "max_gap": e.MaxGap.String(), "cache_age": e.CacheAge.String(),
			"repeatable": strconv.FormatBool(e.Repeatable), "speculate": strconv.FormatBool(e.Speculation),
			"kv_tokens": strconv.Itoa(e.KVTokens), "prefill_threads": strconv.Itoa(e.Prefill), "cache_memory": strconv.FormatInt(int64(e.CacheMemory), 10), "cache_disk": strconv.FormatInt(int64(e.CacheDisk), 10),
		}
		if spec.Offload = devices.Wish(n.set.GPU, own); spec.Offload != nil && spec.Batch == 0 {
			spec.Batch = n.set.GPU.BatchSize
		}
		n.chooseWeights(m, s)
		spec.Scratch = filepath.Join(n.scratch(), scratchOf(m))
	}
}

// scratch is the folder with the folders in which runtimes may write, one for each model.
func (n *Node) scratch() string { return filepath.Join(n.set.Home, "cache", "models") }

func scratchOf(m *core.Manifest) string { return strings.ReplaceAll(m.Digest, ":", "-") }

// computedAge says how long the computed prompts of each model stay: the longest time of those that share a file.
func (n *Node) computedAge(ctx context.Context) (func(folder string) time.Duration, error) {
	list, err := n.models.List(ctx)
	if err != nil {
		return nil, err
	}
	ages := map[string]time.Duration{}
	for _, m := range list {
		own, _ := modelSettings(n.current().Models, m, n.naming())
		age, folder := own.Engine.Over(n.set.Engine).CacheAge, scratchOf(m)
		if before, shared := ages[folder]; shared && (before == 0 || age > 0 && before > age) {
			age = before
		}
		ages[folder] = age
	}
	return func(folder string) time.Duration {
		if age, ok := ages[folder]; ok {
			return age
		}
		return n.set.Engine.CacheAge
	}, nil
}

// naming finds the model that a name means now.
type naming func(name string) (*core.Manifest, error)

// naming is that of the installed models; nil before they are known.
func (n *Node) naming() naming {
	if n.models == nil {
		return nil
	}
	return n.models.Means
}

// modelSettings finds what the settings say about a model: under its canonical name, else under any name that means it.
func modelSettings(all map[string]config.Model, m *core.Manifest, means naming) (config.Model, bool) {
	if own, ok := all[m.Name]; ok {
		return own, true
	}
	own := slices.Concat(m.Aliases, []string{strings.TrimSuffix(m.Name, ":latest")}) // a new list: the manifest is everybody's
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if slices.ContainsFunc(own, func(a string) bool {
			return strings.EqualFold(a, name) || strings.EqualFold(a, strings.TrimSuffix(name, ":latest"))
		}) {
			return all[name], true
		}
		if means == nil {
			continue
		}
		if meant, err := means(name); err == nil && meant.Name == m.Name {
			return all[name], true
		}
	}
	return config.Model{}, false
}

// checkTemplates refuses a template that is none.
func (n *Node) checkTemplates(_ context.Context, s *config.Settings) error {
	for _, name := range slices.Sorted(maps.Keys(s.Models)) {
		if t := s.Models[name].Template; t != "" {
			if _, err := chat.Parse(t); err != nil {
				return core.Wrap(core.CodeInvalidRequest, err, "The setting models.%s.template cannot be used: %s", strings.TrimSuffix(name, ":latest"), core.AsError(err).Message)
			}
		}
	}
	return nil
}

// checkSections stops the start at a template that is none, and tells of sections that no installed model has.
func (n *Node) checkSections(ctx context.Context) error {
	if err := n.checkTemplates(ctx, n.set); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(n.set.Models)) {
		if _, err := n.models.Resolve(ctx, name); err != nil {
			n.log.WarnContext(ctx, "the settings have a section for a model that is not installed",
				slog.String("section", "models."+strings.TrimSuffix(name, ":latest")), slog.String("reason", core.AsError(err).Message))
		}
	}
	return nil
}

// computeReserve is what a model takes beyond its weights before a load has measured it.
const computeReserve = 256 << 20

// estimate is the memory that a load will take, until the load has measured it.
func estimate(m *core.Manifest, spec engine.LoadSpec) int64 {
	if m.Elsewhere() {
		return 0
	}
	size := m.Size()
	if info, err := os.Stat(spec.Path); err == nil { // other weights may be larger
		size = max(size, info.Size())
	}
	return size + size/4 + computeReserve
}

// inferFleet gives infer its view of the fleet.
type inferFleet struct{ *fleet.Fleet }

func (f inferFleet) Generate(ctx context.Context, t infer.Target, it core.QueueItem, req engine.GenerateRequest) (*core.Stream, error) {
	return f.Fleet.Generate(ctx, fleet.Target(wish.Apply(ctx, t)), it, req)
}

func (f inferFleet) Embed(ctx context.Context, t infer.Target, it core.QueueItem, p []engine.Prompt) ([][]float32, core.Usage, core.Placement, error) {
	return f.Fleet.Embed(ctx, fleet.Target(wish.Apply(ctx, t)), it, p)
}

func (f inferFleet) Rerank(ctx context.Context, t infer.Target, it core.QueueItem, query string, documents []string) ([]float32, core.Usage, core.Placement, error) {
	return f.Fleet.Rerank(ctx, fleet.Target(wish.Apply(ctx, t)), it, query, documents)
}

func (f inferFleet) Tokenize(ctx context.Context, t infer.Target, p engine.Prompt) ([]int, error) {
	return f.Fleet.Tokenize(ctx, fleet.Target(wish.Apply(ctx, t)), p)
}

func (f inferFleet) Infer(ctx context.Context, t infer.Target, it core.QueueItem, inputs []core.Tensor, outputs []string) ([]core.Tensor, core.Usage, core.Placement, error) {
	return f.Fleet.Infer(ctx, fleet.Target(wish.Apply(ctx, t)), it, inputs, outputs)
}

func (f inferFleet) Facts(ctx context.Context, t infer.Target) (engine.Facts, error) {
	wanted := fleet.Target(wish.Apply(ctx, t))
	list, err := f.Instances(ctx)
	if err != nil {
		return engine.Facts{}, err
	}
	for _, i := range list {
		if i.Name == wanted.Name && i.Embedding == wanted.Spec.Embedding && i.State == "ready" {
			return i.Facts, nil
		}
	}
	i, err := f.Load(ctx, wanted, nil)
	return i.Facts, err
}

func (f inferFleet) Detokenize(ctx context.Context, t infer.Target, tokens []int) ([]byte, error) {
	return f.Fleet.Detokenize(ctx, fleet.Target(wish.Apply(ctx, t)), tokens)
}
