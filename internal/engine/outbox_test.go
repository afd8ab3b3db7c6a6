package engine

import (
	"context"
	"errors"
	"testing"

	"ashatai/internal/core"
)

func TestOutbox(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	o := NewOutbox()
	ctx, cancel := context.WithCancel(t.Context())
	o.Accept()
	go func() {
		for _, s := range []string{"a", "b", "c"} {
			o.Event(core.Event{Text: s})
			o.Flush()
		}
		o.End(broken)
	}()
	text, last := "", error(nil)
	for e, err := range o.Stream(ctx, cancel) {
		text, last = text+e.Text, err
	}
	if text != "abc" || !errors.Is(last, broken) || ctx.Err() == nil {
		t.Errorf("%q, %v, the context %v", text, last, ctx.Err())
	}
}

// TestOutboxIsLeft leaves the range early, and waits for what never comes.
func TestOutboxIsLeft(t *testing.T) {
	t.Parallel()
	o := NewOutbox()
	ctx, cancel := context.WithCancel(t.Context())
	o.Event(core.Event{Text: "a"})
	for _, err := range o.Stream(ctx, cancel) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	if ctx.Err() == nil {
		t.Error("leaving does not cancel")
	}
	for _, err := range NewOutbox().Stream(ctx, cancel) {
		if core.CodeOf(err) != core.CodeCancelled {
			t.Error(err)
		}
	}
}
