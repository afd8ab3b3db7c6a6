package ollama

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is every partner with scripted answers.
type fake struct {
	who core.Principal

	got    *core.Request
	gotEmb *core.EmbedRequest
	wish   Wish
	calls  []string

	events   func(ctx context.Context, req *core.Request) iter.Seq2[core.Event, error]
	err      error
	embedErr func(req *core.EmbedRequest) error
	models   []*core.Manifest
	running  []Running
	steps    []Progress
	blobs    map[string][]byte
	created  Creation
	now      time.Time
}

var (
	placement = core.Placement{Model: "tiny:latest", Runtime: "mock", Device: "cpu", Fallback: "no GPU was found"}
	zero      = 0.0
)

func newFake() *fake {
	f := &fake{who: core.Local(), events: hello(), blobs: map[string][]byte{}, now: time.Unix(1700000000, 5)}
	f.models = []*core.Manifest{
		{
			Name: "tiny:latest", Digest: strings.Repeat("ab", 32), Format: "gguf", Architecture: "llama", Parameters: 134515008,
			Quantization: "Q4_1", Context: 64, Template: "{{ messages }}", System: "Be kind.", License: "free", Stop: []string{"<end>"},
			Files: []core.File{{Name: "tiny.gguf", Size: 77}}, Created: f.now, Window: 32,
			Capabilities: []core.Capability{core.CapChat, core.CapGenerate, core.CapTools, core.CapThinking, core.CapEmbed, core.CapVision},
			Defaults:     core.Sampling{Temperature: &zero, TopK: new(3), Seed: new(int64(7))},
		},
		{Name: "other:7b", Digest: "cd", Labels: map[string]string{LabelParent: "tiny:latest"}},
	}
	return f
}

func (f *fake) Generate(ctx context.Context, req *core.Request, w Wish) (*core.Stream, error) {
	f.got, f.wish = req, w
	if f.err != nil {
		return nil, f.err
	}
	return &core.Stream{Placement: placement, Events: f.events(ctx, req)}, nil
}

func (f *fake) Embed(_ context.Context, req *core.EmbedRequest, w Wish) (*core.Embeddings, error) {
	copied := *req
	copied.Inputs = slices.Clone(req.Inputs)
	f.gotEmb, f.wish = &copied, w
	if f.embedErr != nil {
		if err := f.embedErr(req); err != nil {
			return nil, err
		}
	}
	out := &core.Embeddings{Model: "tiny:latest", Placement: placement, Usage: core.Usage{Prompt: 3, Queued: 9}}
	for range req.Inputs {
		out.Vectors = append(out.Vectors, []float32{0.5, -0.25})
	}
	return out, f.err
}

// Tokenize makes a token of every byte, so that a cut can divide a character.
func (f *fake) Tokenize(_ context.Context, _, text string, w Wish) ([]int, error) {
	f.calls = append(f.calls, "tokenize")
	f.wish = w
	ids := make([]int, len(text))
	for i, b := range []byte(text) {
		ids[i] = int(b) + 10
	}
	return ids, f.err
}

func (f *fake) Detokenize(_ context.Context, _ string, ids []int, _ Wish) ([]byte, error) {
	out := make([]byte, len(ids))
	for i, id := range ids {
		out[i] = byte(id - 10)
	}
	return out, f.err
}

func (f *fake) Load(_ context.Context, model string, w Wish) error {
	f.calls, f.wish = append(f.calls, "load "+model), w
	return f.err
}

func (f *fake) Unload(_ context.Context, model string) error {
	f.calls = append(f.calls, "unload "+model)
	return f.err
}

func (f *fake) Running(context.Context) ([]Running, error) { return f.running, f.err }

func (f *fake) List(context.Context) ([]*core.Manifest, error) { return f.models, f.err }

func (f *fake) Resolve(_ context.Context, name string) (*core.Manifest, error) {
	for _, m := range f.models {
		if base, _, _ := strings.Cut(m.Name, ":"); m.Name == name || base == name {
			return m, nil
		}
	}
	return nil, core.Errorf(core.CodeModelNotFound, "There is no model %q. Did you mean tiny?", name)
}

func (f *fake) Metadata(context.Context, string) (map[string]any, error) {
	return map[string]any{"llama.embedding_length": 64, "tokenizer.chat_template": "x", "tokenizer.ggml.tokens": nil}, f.err
}

func (f *fake) Create(_ context.Context, c Creation, progress func(string)) error {
	f.created = c
	progress("reading model metadata")
	if f.err == nil {
		progress("writing manifest")
	}
	return f.err
}

func (f *fake) Copy(_ context.Context, from, to string) error {
	f.calls = append(f.calls, "copy "+from+" "+to)
	return f.err
}

func (f *fake) Remove(ctx context.Context, name string) error {
	if _, err := f.Resolve(ctx, name); err != nil {
		return err
	}
	f.calls = append(f.calls, "remove "+name)
	return f.err
}

func (f *fake) Pull(_ context.Context, name string, progress func(Progress)) error {
	f.calls = append(f.calls, "pull "+name)
	for _, p := range f.steps {
		progress(p)
	}
	return f.err
}

func (f *fake) HasBlob(_ context.Context, sha string) bool { return f.blobs[sha] != nil }

func (f *fake) PutBlob(_ context.Context, sha string, _ int64, r io.Reader) (bool, error) {
	if f.blobs[sha] != nil {
		return false, nil
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return false, err
	}
	if sumOf(b) != sha {
		return false, core.Errorf(core.CodeBadModel, "The content has another sha256.")
	}
	f.blobs[sha] = b
	return true, f.err
}

func sumOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
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

var usage = core.Event{Usage: &core.Usage{
	Prompt: 9, Cached: 4, Completion: 2, Queued: 3 * time.Microsecond, Prefill: 4 * time.Microsecond, Decode: 5 * time.Microsecond,
}}

func hello() func(context.Context, *core.Request) iter.Seq2[core.Event, error] {
	return play(core.Event{Text: "Hel"}, core.Event{Text: "lo <\"you\">\n"}, core.Event{Finish: core.FinishStop}, usage)
}

// call sends one request through the dialect's own mux and error shape.
func (f *fake) call(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	f.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
	return w
}

func (f *fake) dialect() api.Dialect {
	return New(Config{
		Generator: f, Embedder: f, Tokens: f, Fleet: f, Models: f, Blobs: f, Version: "9.9", Now: func() time.Time {
			f.now = f.now.Add(time.Millisecond)
			return f.now
		},
	})
}

func (f *fake) handler() http.Handler {
	d := f.dialect()
	mux := http.NewServeMux()
	for _, row := range d.Routes {
		mux.HandleFunc(row.Method+" "+row.Path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(api.HeaderRequestID, "req-1")
			r = r.WithContext(core.WithPrincipal(r.Context(), f.who))
			if err := row.Handle(w, r); err != nil && w.Header().Get("Content-Type") == "" {
				d.WriteError(w, r, core.AsError(err))
			}
		})
	}
	return mux
}

// linesOf decodes a stream of JSON lines, strictly one value a line.
func linesOf(t *testing.T, w *httptest.ResponseRecorder) []map[string]any {
	t.Helper()
	if kind := w.Header().Get("Content-Type"); kind != ndjson {
		t.Errorf("the content type is %q: %s", kind, w.Body)
	}
	raw, ok := strings.CutSuffix(w.Body.String(), "\n")
	if !ok {
		t.Errorf("the last line does not end: %q", w.Body)
	}
	var out []map[string]any
	for line := range strings.SplitSeq(raw, "\n") {
		out = append(out, object(t, line))
	}
	return out
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	if err := d.Decode(&v); err != nil || d.More() {
		t.Fatalf("%v: %q", err, text)
	}
	return v
}

// wantError checks a refusal's status and that its text has all words.
func wantError(t *testing.T, w *httptest.ResponseRecorder, status int, words ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("status %d, want %d: %s", w.Code, status, w.Body)
		return
	}
	text, _ := object(t, w.Body.String())["error"].(string)
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q is not in the error %q", word, text)
		}
	}
}
