package responses

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/api"
	"ashatai/internal/convo"
	"ashatai/internal/core"
	"ashatai/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a generator with scripted answers, on a real keeper.
type fake struct {
	mu     sync.Mutex
	got    []*core.Request
	events func(ctx context.Context, req *core.Request) iter.Seq2[core.Event, error]
	err    error

	who  core.Principal
	kept *convo.Service
	mux  *http.ServeMux
	rows []api.Route
}

func (f *fake) Generate(ctx context.Context, req *core.Request) (*core.Stream, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, req)
	if f.err != nil {
		return nil, f.err
	}
	return &core.Stream{Placement: core.Placement{Model: "tiny:latest", Runtime: "mock"}, Events: f.events(ctx, req)}, nil
}

func (f *fake) last() *core.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got[len(f.got)-1]
}

func (f *fake) Resolve(_ context.Context, name string) (*core.Manifest, error) {
	if name != "" && name != "tiny" {
		return nil, core.Errorf(core.CodeModelNotFound, "There is no model %q.", name)
	}
	return &core.Manifest{Name: "tiny:latest"}, nil
}

func (f *fake) CountTokens(_ context.Context, req *core.Request) (int, error) {
	f.got = append(f.got, req)
	return 42, f.err
}

// play makes an event sequence of a script; an error ends it, and a channel holds it up.
func play(script ...any) func(context.Context, *core.Request) iter.Seq2[core.Event, error] {
	return func(ctx context.Context, _ *core.Request) iter.Seq2[core.Event, error] {
		return func(yield func(core.Event, error) bool) {
			for _, s := range script {
				switch s := s.(type) {
				case core.Event:
					if !yield(s, nil) {
						return
					}
				case error:
					yield(core.Event{}, s)
					return
				case chan int:
					select {
					case <-s:
					case <-ctx.Done():
						yield(core.Event{}, ctx.Err())
						return
					}
				}
			}
		}
	}
}

func usageEvent() core.Event {
	return core.Event{Usage: &core.Usage{Prompt: 9, Cached: 4, Completion: 5, Reasoning: 2}}
}

func hello() func(context.Context, *core.Request) iter.Seq2[core.Event, error] {
	return play(core.Event{Text: "Hel"}, core.Event{Text: "lo <é>"}, core.Event{Finish: core.FinishStop}, usageEvent())
}

// begin starts the API on a database in a folder. end must be called.
func begin(tb testing.TB, dir string) (f *fake, end func()) {
	tb.Helper()
	db, err := sqlite.Open(tb.Context(), filepath.Join(dir, "x.db"))
	if err != nil {
		tb.Fatal(err)
	}
	f = &fake{events: hello(), who: core.Principal{Tenant: "t", User: "ada"}, kept: convo.New(db.Objects(), db.Items(), convo.Config{})}
	if err := f.kept.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	f.rows = Routes(Config{
		Partners: Partners{Generator: f, Catalogue: f, Counter: f, Archive: f.kept, Items: f.kept.Items(), Runs: f.kept},
		MaxBody:  1 << 20, Now: func() time.Time { return time.Unix(1700000000, 0) },
		Place: func(w http.ResponseWriter, p core.Placement) { w.Header().Set("X-Runtime", p.Runtime) },
	})
	f.mux = http.NewServeMux()
	for _, row := range f.rows {
		f.mux.HandleFunc(row.Method+" "+row.Path, func(w http.ResponseWriter, r *http.Request) {
			if err := row.Handle(w, r); err != nil && w.Header().Get("Content-Type") == "" {
				e := core.AsError(err)
				w.Header().Set("X-Param", e.Param)
				http.Error(w, e.Param+": "+e.Message, api.Status(e.Code))
			}
		})
	}
	return f, func() {
		if err := f.kept.Stop(context.WithoutCancel(tb.Context())); err != nil {
			tb.Error(err)
		}
		_ = db.Close()
	}
}

func open(t *testing.T) *fake {
	t.Helper()
	f, end := begin(t, t.TempDir())
	t.Cleanup(end)
	return f
}

func (f *fake) call(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	return f.within(t.Context(), method, path, body)
}

func (f *fake) within(ctx context.Context, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "req-1")
	r := httptest.NewRequestWithContext(core.WithPrincipal(ctx, f.who), method, path, strings.NewReader(body))
	f.mux.ServeHTTP(w, r)
	return w
}

// make1 makes a response and decodes it.
func (f *fake) make1(t *testing.T, body string) response {
	t.Helper()
	w := f.call(t, "POST", "/v1/responses", body)
	if w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	return decode[response](t, w.Body.String())
}

// decode reads JSON strictly, so that tests hold what is written to its type.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// told is the events of a stream.
func told(t *testing.T, body string) []event {
	t.Helper()
	var out []event
	for chunk := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		if chunk == "" {
			continue
		}
		name, data, _ := strings.Cut(chunk, "\n")
		ev := decode[event](t, strings.TrimPrefix(data, "data: "))
		if name != "event: "+ev.Type {
			t.Errorf("the event %s is named %q", ev.Type, name)
		}
		out = append(out, ev)
	}
	return out
}
