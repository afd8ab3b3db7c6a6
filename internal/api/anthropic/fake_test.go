package anthropic

import (
	"context"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"ashatai/internal/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const messagesPath, countPath = "/v1/messages", "/v1/messages/count_tokens"

// minimal is a body that asks for no more than it must.
const minimal = `{"model":"tiny","max_tokens":20,"messages":[{"role":"user","content":"hi"}]}`

// fake is a generator, a counter and a catalogue with scripted answers.
type fake struct {
	got     *core.Request
	counted *core.Request

	events   func(ctx context.Context) iter.Seq2[core.Event, error]
	err      error
	tokens   int
	countErr error
	models   []*core.Manifest
	aliases  []core.Alias
}

var placement = core.Placement{Model: "tiny:latest", Runtime: "mock", Device: "cpu", Fallback: "no GPU was found"}

func (f *fake) Generate(ctx context.Context, req *core.Request) (*core.Stream, error) {
	f.got = req
	if err := req.Validate(); err != nil {
		return nil, err
	}
	if f.err != nil {
		return nil, f.err
	}
	return &core.Stream{Placement: placement, Events: f.events(ctx)}, nil
}

func (f *fake) CountTokens(_ context.Context, req *core.Request) (int, error) {
	f.counted = req
	return f.tokens, f.countErr
}

func (f *fake) List(context.Context) ([]*core.Manifest, error) { return f.models, f.err }

func (f *fake) Aliases(context.Context) []core.Alias { return f.aliases }

func (f *fake) Resolve(_ context.Context, name string) (*core.Manifest, error) {
	if a, ok := core.AliasOf(f.aliases, name); ok {
		name = a.Model
	}
	for _, m := range f.models {
		if m.Name == name {
			return m, nil
		}
	}
	return nil, core.Errorf(core.CodeModelNotFound, "There is no model %q. Did you mean tiny?", name)
}

// play makes an event sequence of a script; an error ends it.
func play(script ...any) func(context.Context) iter.Seq2[core.Event, error] {
	return func(context.Context) iter.Seq2[core.Event, error] {
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

func used(prompt, cached, completion int) core.Event {
	return core.Event{Usage: &core.Usage{Prompt: prompt, Cached: cached, Completion: completion}}
}

func hello() func(context.Context) iter.Seq2[core.Event, error] {
	return play(core.Event{Text: "Hel", Start: &core.Usage{Prompt: 9, Cached: 4}}, core.Event{Text: "lo \"you\"\n"}, core.Event{Finish: core.FinishStop}, used(9, 4, 2))
}

func newFake() *fake { return &fake{events: hello(), tokens: 9} }

// call sends one request through the dialect's own rows and error shape.
func (f *fake) call(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	return f.do(httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
}

func (f *fake) post(t *testing.T, body string) *httptest.ResponseRecorder {
	t.Helper()
	return f.call(t, http.MethodPost, messagesPath, body)
}

func (f *fake) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.handler().ServeHTTP(w, r)
	return w
}

func (f *fake) handler() http.Handler {
	d := New(f, f, f)
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
