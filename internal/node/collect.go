package node

import (
	"context"
	"slices"
	"time"

	"ashatai/internal/api/v1/collect"
	"ashatai/internal/blob"
	"ashatai/internal/fleet"
	"ashatai/internal/node/stock"
)

// newUpkeep makes what looks after the files of models.
func newUpkeep(n *Node) *stock.Upkeep {
	u := &stock.Upkeep{Models: n.models, Grace: n.set.Blobs.Grace, Computed: stock.Computed{Dir: n.scratch(), Age: n.computedAge}, Log: n.log}
	if n.depot != nil {
		u.Refresh = n.set.Blobs.Refresh
	}
	return u
}

// loaded reports whether a model of this file is loaded. Where that cannot be said it counts as loaded.
func (n *Node) loaded(ctx context.Context, sha string) bool {
	if n.fleet == nil {
		return false
	}
	list, err := n.fleet.Instances(ctx)
	return err != nil || slices.ContainsFunc(list, func(i fleet.Instance) bool { return i.Digest == sha })
}

// v1Collector gives the server's own API the removal of files that no model has.
type v1Collector struct{ n *Node }

func (a v1Collector) Collect(ctx context.Context, grace time.Duration, dry bool) ([]collect.File, error) {
	got, err := a.n.upkeep.Collect(ctx, grace, dry)
	if err != nil {
		return nil, err
	}
	out := []collect.File{}
	for _, one := range []struct {
		where string
		list  []blob.Info
	}{{"home", got.Blobs}, {"download", got.Partials}, {"bucket", got.Shared}} {
		for _, b := range one.list {
			out = append(out, collect.File{Where: one.where, SHA256: b.SHA256, Size: b.Size, Modified: b.Modified.UTC()})
		}
	}
	for _, sha := range got.Uploads {
		out = append(out, collect.File{Where: "upload", SHA256: sha})
	}
	return out, nil
}
