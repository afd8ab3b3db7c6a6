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
	"ashatai/internal/infer"
	"ashatai/internal/models"
	"ashatai/internal/node/wish"
)

// replicasOf makes the places of a model from its setting. Those of which there is nothing here are left out, with a line in
// the log: the others serve.
func (n *Node) replicasOf(m *core.Manifest, list []string, s infer.Settings) []engine.Replica {
	var out []engine.Replica
	seen := map[string]int{}
	for _, text := range list {
		r, err := config.ParseReplica(text)
		if err != nil {
			continue // the settings were checked
		}
		one, label, ok := n.replica(m, r, s)
		if !ok {
			n.log.Warn("a replica is left out", slog.String("model", m.Name), slog.String("replica", text))
			continue
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
	return out
}

func (n *Node) replica(m *core.Manifest, r config.Replica, s infer.Settings) (_ engine.Replica, label string, ok bool) {
	out := engine.Replica{Weight: r.Weight, Vocabulary: r.Vocabulary, Template: r.Template}
	if r.Remote != "" {
		name := strings.ToLower(r.Remote)
		path := remote.Path(name, r.Model)
		out.Runtime, out.Format, out.Digest, out.Spec = catalog.Remote, core.FormatRemote, path, engine.LoadSpec{Path: path}
		_, known := n.set.Remotes[name]
		return out, name, known
	}
	if r.Model != "" {
		other, err := n.models.Means(r.Model)
		if err != nil {
			return out, "", false
		}
		m, s.Load, s.Weights = other, engine.LoadSpec{Context: s.Load.Context, Sequences: s.Load.Sequences, Threads: s.Load.Threads, Memory: s.Load.Memory}, ""
	}
	out.Runtime = cmp.Or(r.Runtime, n.runtimeOf(m))
	out.Format, out.Digest, out.Spec = m.Format, m.Digest, s.Load
	if out.Spec.Path = s.Weights; out.Spec.Path == "" {
		out.Spec.Path = n.models.Path(m)
	}
	out.Memory = estimate(m, out.Spec)
	if out.Template == "" && m.Template != "" {
		out.Template = models.TemplateDigest(m.Template)
	}
	return out, out.Runtime, !m.Elsewhere()
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
			Weight: c.Weight, Speed: c.Speed, Work: c.Work, Loaded: c.Loaded, Breaker: c.Breaker,
		}
	}
	return out, nil
}
