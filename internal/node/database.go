package node

import (
	"context"

	"ashatai/internal/node/datadir"
	"ashatai/internal/store/postgres"
)

func (n *Node) openStore(ctx context.Context) error {
	db, err := datadir.OpenDatabase(ctx, n.set)
	if err != nil {
		return err
	}
	n.db = db
	n.closers = append(n.closers, db.Close)
	if pg, ok := db.(*postgres.DB); ok {
		n.watchClaim(ctx, pg)
	}
	return nil
}

// watchClaim ends the server when another one took its database.
func (n *Node) watchClaim(ctx context.Context, db *postgres.DB) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	n.evicted = make(chan error, 1)
	go func() {
		defer close(ended)
		if err := db.Watch(ctx); err != nil {
			n.evicted <- err
		}
	}()
	n.closers = append(n.closers, func() error { cancel(); <-ended; return nil })
}
