package openai

import (
	"context"
	"iter"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
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

// fake is a generator, an embedder and a catalogue with scripted answers.
type fake struct {
	mu     sync.Mutex
	got    []*core.Request
	gotEmb *core.EmbedRequest

	gotRank *core.RerankRequest
	named   []core.Alias

	events func(ctx context.Context, req *core.Request) iter.Seq2[core.Event, error]
	err    error
	embeds *core.Embeddings
	models []*core.Manifest
	stored *convo.Service
}

// storing gives the fake a real place for stored chats.
func (f *fake) storing(t *testing.T) *fake {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	f.stored = convo.New(db.Objects(), db.Items(), convo.Config{})
	return f
}

func (f *fake) kept() *convo.Service {
	if f.stored == nil {
		return convo.New(nil, nil, convo.Config{})
	}
	return f.stored
}

var placement = core.Placement{Model: "tiny:latest", Runtime: "mock", Device: "cpu", Fallback: "no GPU was found"}

func (f *fake) Generate(ctx context.Context, req *core.Request) (*core.Stream, error) {
	f.mu.Lock()
	f.got = append(f.got, req)
	f.mu.Unlock()
	if err := req.Validate(); err != nil {
		return nil, err
	}
	if f.err != nil {
		return nil, f.err
	}
	return &core.Stream{Placement: placement, Events: f.events(ctx, req)}, nil
}

func (f *fake) Embed(_ context.Context, req *core.EmbedRequest) (*core.Embeddings, error) {
	f.gotEmb = req
	return f.embeds, f.err
}

// Rerank scores by length, and keeps the request.
func (f *fake) Rerank(_ context.Context, req *core.RerankRequest) (*core.Reranking, error) {
	f.gotRank = req
	out := &core.Reranking{Model: "tiny:latest", Usage: core.Usage{Prompt: 9}, Placement: placement}
	for _, d := range req.Documents {
		out.Scores = append(out.Scores, float32(len(d))/8)
	}
	return out, f.err
}

func (f *fake) Remove(ctx context.Context, name string) ([]core.Alias, error) {
	_, err := f.Resolve(ctx, name)
	return nil, err
}

func (f *fake) Aliases(context.Context) []core.Alias { return slices.Clone(f.named) }

func (f *fake) List(context.Context) ([]*core.Manifest, error) { return f.models, f.err }

func (f *fake) Resolve(_ context.Context, name string) (*core.Manifest, error) {
	for _, a := range f.named {
		if a.Name == name {
			name = a.Model
		}
	}
	for _, m := range f.models {
		if m.Name == name {
			return m, nil
		}
	}
	return nil, core.Errorf(core.CodeModelNotFound, "There is no model %q.", name)
}

// play makes an event sequence of a script; an error ends it.
func play(script ...any) func(context.Context, *core.Request) iter.Seq2[core.Event, error] {
	return func(context.Context, *core.Request) iter.Seq2[core.Event, error] {
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
				}
			}
		}
	}
}

func hello() func(context.Context, *core.Request) iter.Seq2[core.Event, error] {
	return play(
		core.Event{Text: "Hel"},
		core.Event{Text: "lo \"you\"\n"},
		core.Event{Finish: core.FinishStop},
		core.Event{Usage: &core.Usage{Prompt: 9, Cached: 4, Completion: 2}},
	)
}

func newFake() *fake { return &fake{events: hello()} }

// call sends one request through the dialect's own mux and error shape.
func (f *fake) call(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	return f.do(httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
}

func (f *fake) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.handler().ServeHTTP(w, r)
	return w
}

func (f *fake) dialect() api.Dialect {
	now := func() time.Time { return time.Unix(1700000000, 0) }
	return New(f, f, f, Config{Rerank: f, Aliases: f, Remover: f, Build: "test", Now: now, Archive: f.kept(), Items: f.kept().Items(), Runs: f.kept()})
}

func (f *fake) handler() http.Handler {
	d := f.dialect()
	mux := http.NewServeMux()
	for _, row := range d.Routes {
		mux.HandleFunc(row.Method+" "+row.Path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Request-Id", "req-1")
			if err := row.Handle(w, r); err != nil && w.Header().Get("Content-Type") == "" {
				d.WriteError(w, r, core.AsError(err))
			}
		})
	}
	return mux
}

// data returns the data of an event stream's events.
func data(body string) []string {
	var out []string
	for ev := range strings.SplitSeq(body, "\n\n") {
		if d, ok := strings.CutPrefix(ev, "data: "); ok {
			out = append(out, d)
		}
	}
	return out
}
