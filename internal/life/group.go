package life

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// undoTime bounds how long a group waits for its members when one of them could not start.
const undoTime = 30 * time.Second

// Group is a Service made of others: it starts them in order and stops them in reverse.
type Group struct {
	members []Service
	turn    chan struct{} // holds one token: Start and Stop take turns
	running bool
	stopped bool
}

// NewGroup makes a group of members in the order of their start.
func NewGroup(members ...Service) *Group {
	g := &Group{members: members, turn: make(chan struct{}, 1)}
	g.turn <- struct{}{}
	return g
}

// Start starts every member in order. When one fails, those before it are stopped in reverse, and the group is stopped
// for good.
func (g *Group) Start(ctx context.Context) error {
	if err := g.take(ctx); err != nil {
		return err
	}
	defer g.give()
	switch {
	case g.stopped:
		return ErrStopped
	case g.running:
		return nil
	}
	for i, m := range g.members {
		if err := m.Start(ctx); err != nil {
			// The context of a failed start may have ended; what was started must be stopped all the same.
			undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
			defer cancel() //nolint:revive // the loop ends with this iteration
			g.stopped = true
			return errors.Join(fmt.Errorf("start part %d (%T): %w", i+1, m, err), stopReverse(undo, g.members[:i+1]))
		}
	}
	g.running = true
	return nil
}

// Stop stops every member in reverse order, each one also when another failed, and returns their errors joined.
func (g *Group) Stop(ctx context.Context) error {
	if err := g.take(ctx); err != nil {
		return err
	}
	defer g.give()
	g.stopped = true
	return stopReverse(ctx, g.members)
}

func (g *Group) take(ctx context.Context) error {
	select {
	case <-g.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *Group) give() { g.turn <- struct{}{} }

func stopReverse(ctx context.Context, members []Service) error {
	var errs []error
	for i, m := range slices.Backward(members) {
		if err := m.Stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop part %d (%T): %w", i+1, m, err))
		}
	}
	return errors.Join(errs...)
}
