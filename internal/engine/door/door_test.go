package door

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/core"
)

// TestPlaces: so many are inside, the others wait, and whoever gives up leaves the queue.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(2)
		for range 2 {
			if err := d.Enter(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp, entered := make(chan error, 1), make(chan error, 1)
		go func() { gaveUp <- d.Enter(ctx) }()
		go func() { entered <- d.Enter(t.Context()) }()
		figures := func(active, waiting int) {
			t.Helper()
			synctest.Wait()
			if s, err := d.Stats(t.Context()); s.Active != active || s.Waiting != waiting || err != nil {
				t.Errorf("%d inside and %d wait, %v; not %d and %d", s.Active, s.Waiting, err, active, waiting)
			}
		}
		figures(2, 2)
		cancel()
		if err := <-gaveUp; core.CodeOf(err) != core.CodeCancelled {
			t.Error(err)
		}
		figures(2, 1)
		began := time.Now()
		<-time.After(time.Second)
		d.Computed(began)
		d.Leave()
		if err := <-entered; err != nil {
			t.Error(err)
		}
		figures(2, 0)
		d.Leave()
		d.Leave()
		figures(0, 0)
		if s, _ := d.Stats(t.Context()); s.Steps != 1 || s.Busy != time.Second {
			t.Errorf("%+v", s)
		}
		if err := d.Enter(ctx); core.CodeOf(err) != core.CodeCancelled {
			t.Errorf("with an end before: %v", err)
		}
	})
}

// TestClose: those inside are told and waited for, those outside are sent away, and what is freed is freed once.
func TestClose(t *testing.T) {
	d := New(1)
	if err := d.Enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	waits := make(chan error, 1)
	go func() { waits <- d.Enter(t.Context()) }()
	told, over := make(chan struct{}), make(chan struct{})
	d.OnClose(func() { close(told) })
	d.OnClose(func() { t.Error("one that was taken back is told") })()
	freed := 0
	go func() {
		defer close(over)
		d.Close(func() { freed++ })
	}()
	<-told
	<-d.Closed()
	if err := <-waits; core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("who waited: %v", err)
	}
	select {
	case <-over:
		t.Error("it was closed with a call inside")
	default:
	}
	d.Leave()
	<-over
	d.Close(func() { freed++ })
	late := false
	d.OnClose(func() { late = true })
	if !late {
		t.Error("who asks to be told when it is closed already is not")
	}
	if freed != 1 {
		t.Errorf("freed %d times", freed)
	}
	if err := d.Enter(t.Context()); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("who comes later: %v", err)
	}
	if _, err := d.Stats(t.Context()); core.CodeOf(err) != core.CodeUnavailable {
		t.Error(err)
	}
}
