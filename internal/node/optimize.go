package node

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"ashatai/internal/api/v1"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/fleet"
	"ashatai/internal/infer"
	"ashatai/internal/node/view"
	"ashatai/internal/optimize"
	"ashatai/internal/proc"
)

// openOptimize opens what is known about other weights of the installed models.
func (n *Node) openOptimize(ctx context.Context) (err error) {
	n.optimize, err = openOptimize(ctx, n.set, n.log)
	n.weights = func(m *core.Manifest) (*optimize.Weights, string) {
		// The first look at a file reads all of it; the end of one request may not leave that undone for the others.
		return n.optimize.Use(context.WithoutCancel(ctx), m, weightsOf(n.current(), m, n.naming()))
	}
	return err
}

func openOptimize(ctx context.Context, s *config.Settings, log *slog.Logger) (*optimize.Service, error) {
	return optimize.Open(ctx, optimize.Config{Dir: filepath.Join(s.Home, "optimized"), Machine: machine(), Log: log, Now: time.Now})
}

// machine names the processor, for which figures count.
func machine() string {
	text := runtime.GOOS + "/" + runtime.GOARCH
	b, _ := os.ReadFile("/proc/cpuinfo") // where there is none the architecture must do
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			text = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%s, %d cores", text, proc.CPUs())
}

// weightsOf is the setting weights in force for a model.
func weightsOf(s *config.Settings, m *core.Manifest, means naming) string {
	if own, _ := modelSettings(s.Models, m, means); own.Weights != "" {
		return own.Weights
	}
	return s.Engine.Weights
}

// chooseWeights makes a load use the file that the setting asks for. What is computed with other weights has another
// digest, so that no cache mixes both.
func (n *Node) chooseWeights(m *core.Manifest, s *infer.Settings) {
	if n.weights == nil {
		return
	}
	w, fallback := n.weights(m)
	s.Load.Fallback = fallback
	if w != nil {
		s.Weights, s.Load.Options["digest"] = w.Path, w.SHA256
	}
}

// v1Optimizer gives the server's own API the search for other weights.
type v1Optimizer struct {
	n *Node
	o *optimize.Service
	m view.Models
	f *fleet.Fleet
	r map[string]engine.Runtime
}

func (a v1Optimizer) Optimize(ctx context.Context, model string, types []string, progress func(v1.OptimizeProgress)) (*v1.Optimized, error) {
	m, err := a.m.Resolve(ctx, model)
	if err != nil {
		return nil, err
	}
	t, err := a.target(ctx, m, types)
	if err != nil {
		return nil, err
	}
	rec, err := a.o.Run(ctx, t, func(p optimize.Progress) {
		line := v1.OptimizeProgress{Status: p.Stage, Type: p.Type, Fraction: p.Part}
		if p.Trial != nil {
			trial := trialOf(*p.Trial)
			line.Status, line.Trial = "tried", &trial
		}
		progress(line)
	})
	if err != nil {
		a.n.metrics.Optimized(m.Name, string(core.CodeOf(err)))
		return nil, err
	}
	outcome := optimize.AsIs
	if rec.Winner != nil {
		outcome = rec.Winner.Type
	}
	a.n.metrics.Optimized(m.Name, outcome)
	if weightsOf(a.n.current(), m, a.n.naming()) != optimize.AsIs {
		// What is loaded has other weights than the next load; its running answers end first.
		if err := a.f.Unload(ctx, m.Name); err != nil && core.CodeOf(err) != core.CodeNotFound {
			return nil, err
		}
	}
	return optimizedOf(a.n.current(), m, rec, a.n.naming()), nil
}

// target says what to try and how: as the model is loaded to serve, from its own file.
func (a v1Optimizer) target(ctx context.Context, m *core.Manifest, types []string) (optimize.Target, error) {
	set := a.n.settingsOf(m)
	name := set.Runtime
	if name == "" {
		name = a.n.runtimeOf(m)
	}
	all := catalog.Weights(name)
	for i, t := range types {
		types[i] = strings.ToLower(t)
		if len(all) > 0 && !slices.Contains(all, types[i]) {
			return optimize.Target{}, core.Invalid("types", "%q is no type of weights that can be made; they are %s.", t, strings.Join(all, ", "))
		}
	}
	if len(types) == 0 || len(all) == 0 {
		types = all // none where the runtime makes no weights, which Run refuses
	}
	t := optimize.Target{Model: m, Load: set.Load, Types: types}
	t.Load.Path, t.Load.Fallback, t.Load.Memory = a.m.Path(m), "", budget(a.n.set)
	t.Maker, _ = a.r[name].(engine.Optimizer)
	list, err := a.f.Instances(ctx)
	if err != nil {
		return optimize.Target{}, err
	}
	if t.Free = budget(a.n.set); a.n.set.Fleet.MemoryBudget > 0 { // what is measured as free is without what is loaded
		for _, i := range list {
			t.Free -= i.Memory
		}
	}
	t.Free = max(t.Free, 1)
	return t, nil
}

func (a v1Optimizer) Optimized(m *core.Manifest) *v1.Optimized {
	return optimizedOf(a.n.current(), m, a.o.Record(m.Digest), a.n.naming())
}

func optimizedOf(s *config.Settings, m *core.Manifest, rec *optimize.Record, means naming) *v1.Optimized {
	if rec == nil {
		return nil
	}
	out := &v1.Optimized{
		Digest: rec.Digest, Machine: rec.Machine, Release: rec.Release, Made: rec.Made, Weights: weightsOf(s, m, means), Suggestion: suggestion(s, m, rec, means),
		Trials: make([]v1.Trial, 0, len(rec.Trials)),
	}
	for _, t := range rec.Trials {
		out.Trials = append(out.Trials, trialOf(t))
	}
	if w := rec.Winner; w != nil {
		out.Type, out.SHA256, out.Size = w.Type, w.SHA256, w.Size
	}
	return out
}

func trialOf(v engine.Variant) v1.Trial {
	t := v1.Trial{Type: v.Type, Size: v.Bytes, Divergence: v.Divergence, Agreement: v.Agreement, Tokens: v.Tokens, Refused: v.Refused}
	for _, s := range v.Speeds {
		t.Speeds = append(t.Speeds, v1.WorkSpeed(s))
	}
	return t
}

// suggestion says that weights which were measured to be faster are not in use; empty where they are, or gain little.
func suggestion(s *config.Settings, m *core.Manifest, rec *optimize.Record, means naming) string {
	best, ok := optimize.Best(rec.Trial())
	if !ok || best.Ratio < optimize.SuggestGain || weightsOf(s, m, means) != optimize.AsIs {
		return ""
	}
	name := m.Name
	if p, err := core.ParseModelName(name); err == nil {
		name = p.Short()
	}
	return fmt.Sprintf("Its %s weights do %s %.1f times as fast; set models.%q.weights to auto and start the server again to use them.",
		rec.Winner.Type, best.Work, best.Ratio, name)
}

// slowTypes have no kernel of their own for many tokens at once in llama.cpp.
func slowTypes() []string { return []string{"Q4_1", "Q5_1"} }

// weights tells of models that could be faster.
func (d *doctor) weights(list []*core.Manifest, known *optimize.Service) {
	for _, m := range list {
		rec := known.Record(m.Digest)
		switch {
		case rec != nil:
			if text := suggestion(d.set, m, rec, nil); text != "" {
				d.add("weights of "+m.Name, findWarn, "faster ones were measured and are not used", text)
			} else if rec.Machine != machine() {
				d.add("weights of "+m.Name, findWarn, "the comparison was made on another machine: "+rec.Machine, fmt.Sprintf("Run `ashatai optimize %s` again.", m.Name))
			}
		case slices.Contains(slowTypes(), m.Quantization):
			d.add("weights of "+m.Name, findWarn, m.Quantization+" has no fast way to read prompts", fmt.Sprintf("Run `ashatai optimize %s`, which looks for weights that are nearly the same and faster.", m.Name))
		}
	}
}
