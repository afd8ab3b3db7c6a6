package cli

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ashatai/internal/cli/client"
	"ashatai/internal/cli/editor"
	"ashatai/internal/core"
)

const (
	spawnWait  = 30 * time.Second
	spawnRetry = 100 * time.Millisecond
)

// ready asks whether a server answers. Its readiness is its own business: a chat may wait for it.
func ready(ctx context.Context, c *client.Client) error {
	var answer serverVersion
	_, err := c.Call(ctx, http.MethodGet, "/api/v1/version", nil, &answer)
	return err
}

// reachable makes sure that a server answers before a chat begins, and offers to start one where none does.
func (a *app) reachable(ctx context.Context, c *client.Client) error {
	err := ready(ctx, c)
	if core.CodeOf(err) != core.CodeUnavailable || a.deps.Spawn == nil || !c.Local() {
		return err
	}
	u, parseErr := url.Parse(c.Base)
	if parseErr != nil || u.Scheme != "http" || u.Port() == "" || u.Path != "" {
		return err
	}
	lines := editor.New(a.in, a.out, "No server answers at "+c.Base+". Start one in the background? [Y/n] ")
	answer, readErr := lines.Line(ctx)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case readErr != nil, !yes(answer):
		return err
	}
	if err := a.deps.Spawn(ctx, u.Host); err != nil {
		return err
	}
	return await(ctx, c)
}

func yes(answer string) bool {
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "", "y", "yes":
		return true
	}
	return false
}

// await waits until a server that was just started answers.
func await(ctx context.Context, c *client.Client) error {
	wait, cancel := context.WithTimeout(ctx, spawnWait)
	defer cancel()
	tick := time.NewTicker(spawnRetry)
	defer tick.Stop()
	for {
		err := ready(wait, c)
		if err == nil || core.CodeOf(err) != core.CodeUnavailable && wait.Err() == nil {
			return err
		}
		select {
		case <-tick.C:
		case <-wait.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return core.Wrap(core.CodeUnavailable, err,
				"The server was started and does not answer at %s after %s. `ashatai serve` in a terminal of its own shows why.", c.Base, spawnWait)
		}
	}
}
