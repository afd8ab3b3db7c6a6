package obs_test

import (
	"strconv"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/obs"
)

func request(id, user, model string) *core.Request {
	return &core.Request{ID: id, Model: model, Principal: core.Principal{Tenant: "t", User: user}}
}

func TestActivity(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	a := obs.NewActivity(func() time.Time { return now })
	one := a.Begin(request("r1", "ada", "m"))
	a.Begin(request("r2", "bob", "m"))
	three := a.Begin(request("r3", "bob", "m"))
	other := a.Begin(request("r4", "bob", "n"))
	s := a.Snapshot()
	if len(s.Live) != 4 || s.Live[2].Ahead != 2 || s.Live[3].Ahead != 0 || s.Past[0].Waiting != 4 || s.Past[0].Running != 0 {
		t.Fatalf("%+v", s)
	}
	a.End(other)
	a.Accepted(one, "m:latest")
	if s = a.Snapshot(); s.Live[0].Phase != obs.PhaseReading || s.Live[0].Model != "m:latest" || s.Live[2].Ahead != 1 {
		t.Errorf("%+v", s.Live)
	}
	now = now.Add(12 * time.Second)
	a.Piece(one)
	a.Piece(one)
	if s = a.Snapshot(); s.Live[0].Phase != obs.PhaseAnswering || s.Live[0].Pieces != 2 || !s.Live[0].First.Equal(now) {
		t.Errorf("%+v", s.Live[0])
	}
	a.Used(one, core.Usage{Prompt: 10, Cached: 4, Completion: 20, Queued: 300 * time.Millisecond, Prefill: 300 * time.Millisecond})
	a.Used(three, core.Usage{Prompt: 1, Completion: 30, Prefill: time.Hour})
	a.End(one)
	a.End(one)
	a.End(three)
	s = a.Snapshot()
	if len(s.Live) != 1 || len(s.Past) != 3 || s.Past[1] != (obs.Moment{At: s.Past[1].At}) {
		t.Errorf("%+v", s)
	}
	last := s.Past[2]
	if last.Pieces != 2 || last.Done != 2 || last.Prompt != 11 || last.Cached != 4 || last.Running != 1 {
		t.Errorf("%+v", last)
	}
	if s.Users[0] != (obs.Use{Tenant: "t", User: "bob", Requests: 1, Prompt: 1, Generated: 30}) || s.Users[1].User != "ada" || s.Users[1].Cached != 4 {
		t.Errorf("%+v", s.Users)
	}
	if len(s.First) != len(obs.FirstBounds())+1 || s.First[4] != 1 || s.First[len(s.First)-1] != 1 {
		t.Errorf("%v", s.First)
	}
}

// TestActivityForgets: only the last quarter of an hour is kept, and only so many users.
func TestActivityForgets(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	a := obs.NewActivity(func() time.Time { return now })
	w := a.Begin(request("r", "ada", "m"))
	a.Used(w, core.Usage{Completion: 5})
	a.End(w)
	now = now.Add(15 * time.Minute)
	s := a.Snapshot()
	if len(s.Past) != 180 || s.Past[0].Done != 0 || s.Past[179].Done != 0 {
		t.Errorf("%d, %+v", len(s.Past), s.Past[0])
	}
	for i := range 2000 {
		w := a.Begin(request("r", strconv.Itoa(i), "m"))
		a.Used(w, core.Usage{Completion: 1})
		a.End(w)
	}
	if s = a.Snapshot(); len(s.Users) != 1000 || s.Past[179].Done != 2000 {
		t.Errorf("%d users, %d done", len(s.Users), s.Past[179].Done)
	}
}
