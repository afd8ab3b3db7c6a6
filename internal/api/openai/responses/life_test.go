package responses

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/core"
)

// slow is an answer that goes on until it is ended.
func slow() []any { return []any{core.Event{Text: "a"}, core.Event{Text: "b"}, make(chan int)} }

func TestCancelInBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, end := begin(t, t.TempDir())
		defer end()
		f.events = play(slow()...)
		r := f.make1(t, `{"input":"hi","background":true}`)
		path := "/v1/responses/" + r.ID
		live := make(chan string)
		go func() { live <- f.call(t, "GET", path+"?stream=true", "").Body.String() }()
		time.Sleep(time.Second) //nolint:forbidigo // fake time
		if got := decode[response](t, f.call(t, "GET", path, "").Body.String()); got.Status != inProgress {
			t.Error(got.Status)
		}
		if w := f.call(t, "POST", "/v1/responses", `{"input":"x","previous_response_id":"`+r.ID+`"}`); w.Code != 409 {
			t.Error("an unfinished response was continued", w.Code)
		}
		for range 2 {
			if got := decode[response](t, f.call(t, "POST", path+"/cancel", "").Body.String()); got.Status != cancelled || got.Error != nil {
				t.Error(got)
			}
		}
		events := told(t, <-live)
		if last := events[len(events)-1]; last.Type != "response.incomplete" || last.Response.Status != cancelled || len(last.Response.Output) != 1 {
			t.Error(last)
		}
	})
}

// TestClientLeaves: what nobody in the foreground waits for is ended, and kept as it was.
func TestClientLeaves(t *testing.T) {
	for _, store := range []string{"true", "false"} {
		synctest.Test(t, func(t *testing.T) {
			f, end := begin(t, t.TempDir())
			defer end()
			f.events = play(slow()...)
			ctx, leave := context.WithCancel(t.Context())
			body := make(chan string)
			go func() {
				body <- f.within(ctx, "POST", "/v1/responses", `{"input":"hi","stream":true,"store":`+store+`}`).Body.String()
			}()
			time.Sleep(time.Second) //nolint:forbidigo // fake time
			leave()
			events := told(t, <-body)
			if store == "false" {
				return
			}
			got := decode[response](t, f.call(t, "GET", "/v1/responses/"+events[0].Response.ID, "").Body.String())
			if got.Status != cancelled {
				t.Error(got.Status)
			}
		})
	}
}

// TestKilled: the next server says of what was being made that it is lost, in the object and as the last event.
func TestKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		f, end := begin(t, dir)
		f.events = play(core.Event{Reasoning: "Hm"}, core.Event{Text: "a"}, make(chan int))
		r := f.make1(t, `{"input":"hi","background":true}`)
		path := "/v1/responses/" + r.ID
		time.Sleep(time.Second) //nolint:forbidigo // fake time
		n := len(bodies(t, f, r.ID))
		if !strings.Contains(bodies(t, f, r.ID)[n-1], "output_text.delta") {
			t.Error("the text is not on disk")
		}
		next, endNext := begin(t, dir) // while the first one has written no end
		got := decode[response](t, next.call(t, "GET", path, "").Body.String())
		if got.Status != failed || got.Error == nil || got.Error.Message != lostMessage || len(got.Output) != 1 {
			t.Error(got)
		}
		for after := range n + 1 {
			events := told(t, next.call(t, "GET", path+"?stream=true&starting_after="+string(rune('0'+after/10))+string(rune('0'+after%10)), "").Body.String())
			if len(events) != n-after {
				t.Fatalf("%d events after %d", len(events), after)
			}
			if after < n {
				last := events[len(events)-1]
				if last.Type != "response.failed" || last.SequenceNumber != int64(n) || last.Response.Status != failed {
					t.Error(last)
				}
			}
		}
		if got := decode[response](t, next.call(t, "POST", path+"/cancel", "").Body.String()); got.Status != failed {
			t.Error(got.Status)
		}
		end()
		endNext()
	})
}

func bodies(t *testing.T, f *fake, id string) []string {
	t.Helper()
	events, err := f.kept.Logged(t.Context(), f.who, id)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, len(events))
	for i, ev := range events {
		out[i] = ev.Body
	}
	return out
}

// TestFailures: in the foreground a failure before the first event has a status of its own; in the background it is the
// response's.
func TestFailures(t *testing.T) {
	f := open(t)
	late := core.Errorf(core.CodeContextExceeded, "Too long.")
	for _, c := range []struct {
		name  string
		err   error
		event []any
	}{
		{"at once", late, nil}, {"as the first event", nil, []any{late}},
	} {
		f.err, f.events = c.err, play(c.event...)
		for _, fields := range []string{"", `,"stream":true`, `,"stream":true,"store":false`} {
			if w := f.call(t, "POST", "/v1/responses", `{"input":"hi"`+fields+`}`); w.Code != 400 {
				t.Error(c.name, fields, w.Code, w.Body)
			}
		}
		events := told(t, f.call(t, "POST", "/v1/responses", `{"input":"hi","background":true,"stream":true}`).Body.String())
		last := events[len(events)-1]
		if len(events) != 3 || last.Type != "response.failed" || last.Response.Error.Code != "invalid_prompt" {
			t.Error(c.name, events)
		}
		if got := decode[response](t, f.call(t, "GET", "/v1/responses/"+last.Response.ID, "").Body.String()); got.Status != failed || got.Error.Message != "Too long." {
			t.Error(got)
		}
	}
	f.err, f.events = nil, play()
	if w := f.call(t, "POST", "/v1/responses", `{"input":"hi"}`); w.Code == 200 {
		t.Error("an answer without an end was accepted")
	}
	if got := failureOf(core.Errorf(core.CodeQueueFull, "x")); got.Code != "rate_limit_exceeded" {
		t.Error(got)
	}
	if got := failureOf(core.Errorf(core.CodeWorkerDied, "x")); got.Code != "server_error" {
		t.Error(got)
	}
}
