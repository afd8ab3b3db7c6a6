package node

import (
	"cmp"
	"context"
	"log/slog"
	"strconv"
	"strings"

	"ashatai/internal/api/v1"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/engine/remote"
	"ashatai/internal/fleet"
	"ashatai/internal/models"
	"ashatai/internal/node/wish"
)

// replicasOf makes the places of a model from its section, and finds the installed model that the first of them here serves. Those of
// which there is nothing here are left out, with a line in the log: the others serve.
func (n *Node) replicasOf(m *core.Manifest, own config.Model) (out []engine.Replica, local *core.Manifest) {
	seen := map[string]int{}
	for _, text := range own.Replicas {
		r, err := config.ParseReplica(text)
		if err != nil {
			continue // the settings were checked
		}
		one, label, served := n.replica(m, r, own)
		if label == "" {
			n.log.Warn("a replica is left out", slog.String("model", m.Name), slog.String("replica", text))
			continue
		}
		if local == nil {
			local = served
		}
		for range max(1, r.Copies) {
			seen[label]++
			one.Label = label
			if k := seen[label]; k > 1 {
				one.Label += " " + strconv.Itoa(k)
			}
			out = append(out, one)
		}
	}
	return out, local
}

// replica is one place, its name, and the installed model that it serves, if it is here. No name: there is nothing of it.
func (n *Node) replica(m *core.Manifest, r config.Replica, own config.Model) (_ engine.Replica, label string, local *core.Manifest) {
	out := engine.Replica{Weight: r.Weight, Vocabulary: r.Vocabulary, Template: r.Template}
	if r.Remote != "" {
		name := strings.ToLower(r.Remote)
		path := remote.Path(name, r.Model)
		out.Runtime, out.Format, out.Digest, out.Spec = catalog.Remote, core.FormatRemote, path, engine.LoadSpec{Path: path}
		if _, known := n.set.Remotes[name]; !known {
			name = ""
		}
		return out, name, nil
	}
	template := own.Template // that of the name, by which prompts for all its places are made
	if r.Model != "" {
		other, err := n.models.Means(r.Model)
		if err != nil {
			return out, "", nil
		}
		window := own.Context
		m = other
		own, _ = modelSettings(n.current().Models, m, n.naming()) // it is loaded as by its own name
		own.Context = cmp.Or(window, own.Context)
	}
	if m.Elsewhere() {
		return out, "", nil
	}
	own.Runtime = cmp.Or(r.Runtime, own.Runtime)
	s := n.loadOf(m, own)
	out.Runtime, out.Format, out.Digest, out.Spec = cmp.Or(own.Runtime, n.runtimeOf(m)), m.Format, m.Digest, s.Load
	if out.Spec.Path = s.Weights; out.Spec.Path == "" {
		out.Spec.Path = n.models.Path(m)
	}
	out.Memory = estimate(m, out.Spec)
	if text := cmp.Or(template, m.Template); out.Template == "" && text != "" {
		out.Template = models.TemplateDigest(text)
	}
	return out, out.Runtime, m
}

// Placement says where a request for a model would go now.
func (a v1Fleet) Placement(ctx context.Context, model string) (v1.Placement, error) {
	t, err := a.i.Target(ctx, model)
	if err != nil {
		return v1.Placement{}, err
	}
	m, err := a.m.Resolve(ctx, model)
	if err != nil {
		return v1.Placement{}, err
	}
	t = wish.Apply(ctx, t)
	if len(t.Replicas) == 0 { // one, told with its format
		t.Replicas = []engine.Replica{{Runtime: t.Runtime, Format: m.Format, Digest: t.Digest, Spec: t.Spec, Memory: t.Memory}}
	}
	d, err := a.f.Placement(ctx, fleet.Target(t))
	if err != nil {
		return v1.Placement{}, err
	}
	out := v1.Placement{Model: t.Name, Policy: string(d.Policy), Candidates: make([]v1.Candidate, len(d.Candidates))}
	for i, c := range d.Candidates {
		out.Candidates[i] = v1.Candidate{
			Replica: c.Label, Runtime: c.Runtime, Device: c.Device, Chosen: i == d.Chosen, Reason: c.Reason, Score: c.Score, Parts: c.Parts,
			Weight: c.Weight, Speed: c.Speed, Work: c.Work, Loaded: c.Loaded, Breaker: c.Breaker, Fallback: c.Fallback,
		}
	}
	return out, nil
}
