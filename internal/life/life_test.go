package life_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/life"
	"ashatai/internal/life/lifetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type loop struct{ life.Base }

func (l *loop) Start(ctx context.Context) error {
	return l.Launch(ctx, func(ctx context.Context) { <-ctx.Done() })
}

func TestBaseStress(t *testing.T) {
	lifetest.Stress(t, func() life.Service { return new(loop) })
}

func TestGroupStress(t *testing.T) {
	lifetest.Stress(t, func() life.Service { return life.NewGroup(new(loop), new(loop), new(loop)) })
}

func TestStopGivesUpWithItsContextAndTheServiceGoesOnEnding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b life.Base
		release := make(chan struct{})
		if err := b.Launch(t.Context(), func(context.Context) { <-release }); err != nil {
			t.Fatal(err)
		}
		<-b.Started()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want the context's error", err)
		}
		close(release)
		<-b.Stopped()
		if err := b.Stop(ctx); err != nil {
			t.Fatalf("a stopped service with an ended context: got %v, want nil", err)
		}
	})
}

func TestRunKeepsTheValuesOfTheStartContext(t *testing.T) {
	type key struct{}
	var b life.Base
	got := make(chan any, 1)
	err := b.Launch(context.WithValue(t.Context(), key{}, 7), func(ctx context.Context) { got <- ctx.Value(key{}) })
	if err != nil {
		t.Fatal(err)
	}
	if v := <-got; v != 7 {
		t.Errorf("got %v, want 7", v)
	}
	if err := b.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

type step struct {
	name  string
	log   *[]string
	start error
	stop  error
}

func (s *step) Start(context.Context) error {
	*s.log = append(*s.log, "start "+s.name)
	return s.start
}

func (s *step) Stop(context.Context) error {
	*s.log = append(*s.log, "stop "+s.name)
	return s.stop
}

func TestGroupOrder(t *testing.T) {
	var log []string
	boom := errors.New("boom")
	g := life.NewGroup(&step{"a", &log, nil, boom}, &step{"b", &log, nil, nil})
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.Stop(t.Context()); !errors.Is(err, boom) {
		t.Errorf("got %v, want the member's error", err)
	}
	if want := []string{"start a", "start b", "stop b", "stop a"}; !slices.Equal(log, want) {
		t.Errorf("got %v, want %v", log, want)
	}
}

func TestGroupUndoesAFailedStart(t *testing.T) {
	var log []string
	boom := errors.New("boom")
	g := life.NewGroup(&step{"a", &log, nil, nil}, &step{"b", &log, boom, nil}, &step{"c", &log, nil, nil})
	if err := g.Start(t.Context()); !errors.Is(err, boom) {
		t.Errorf("got %v, want the member's error", err)
	}
	if want := []string{"start a", "start b", "stop b", "stop a"}; !slices.Equal(log, want) {
		t.Errorf("got %v, want %v", log, want)
	}
	if err := g.Start(t.Context()); !errors.Is(err, life.ErrStopped) {
		t.Errorf("got %v, want ErrStopped", err)
	}
}

type slow struct{ begun, release chan struct{} }

func (s *slow) Start(context.Context) error {
	close(s.begun)
	<-s.release
	return nil
}
func (*slow) Stop(context.Context) error { return nil }

func TestGroupStopWaitsForItsTurnOnlyAsLongAsItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{make(chan struct{}), make(chan struct{})}
		g := life.NewGroup(s)
		done := make(chan error, 1)
		go func() { done <- g.Start(t.Context()) }()
		<-s.begun
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stop: got %v", err)
		}
		if err := g.Start(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("start: got %v", err)
		}
		close(s.release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
