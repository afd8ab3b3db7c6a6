package plan

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"ashatai/internal/core"
)

// TestPlace: requests that wait are admitted in the order of their places, whoever they belong to.
func TestPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(Config{})
		m := Model{Key: "m", Name: "m", Memory: 1}
		at := At(time.Second)
		s.Apply(Submit{At: at, Model: m, Request: Request{ID: 1, Tenant: "first", Sequences: 1}})
		s.Apply(Loaded{At: at, Instance: 1, Sequences: 1})
		n := rapid.IntRange(1, 12).Draw(t, "waiting")
		for i := range n {
			s.Apply(Submit{At: at, Model: m, Request: Request{
				ID: ID(i + 2), Tenant: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "tenant"), Sequences: 1,
				Class: core.Class(rapid.IntRange(0, 2).Draw(t, "class")), Cost: rapid.IntRange(1, 100).Draw(t, "cost"),
			}})
		}
		running := ID(1)
		if s.Place(running) != 0 || s.Place(999) != 0 {
			t.Fatal("a request that runs, or none, has a place")
		}
		for left := n; left > 0; left-- {
			next, seen := ID(0), map[int]bool{}
			for i := range n {
				if p := s.Place(ID(i + 2)); p > 0 {
					seen[p] = true
					if p == 1 {
						next = ID(i + 2)
					}
				}
			}
			if len(seen) != left || !seen[left] {
				t.Fatalf("%d wait, with the places %v", left, seen)
			}
			admitted := ID(0)
			for _, e := range s.Apply(Done{At: at, ID: running}) {
				if a, ok := e.(Admit); ok {
					admitted = a.ID
				}
			}
			if admitted != next {
				t.Fatalf("%d was next, %d was admitted", next, admitted)
			}
			running = admitted
		}
	})
}
