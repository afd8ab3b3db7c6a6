package main

import (
	"context"
	"net/http"

	"ashatai/internal/cli"
	"ashatai/internal/node"
)

// offline opens the API for accounts on a home that no server uses.
func offline(ctx context.Context, o cli.OfflineOptions) (http.RoundTripper, func() error, error) {
	opt, err := options(o.Home, o.Config, "", nil)
	if err != nil {
		return nil, nil, err
	}
	return node.Offline(ctx, opt)
}
