package native

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

type fake struct {
	got     *core.Request
	asked   ProjectRequest
	script  []any
	err     error
	scans   int
	project *Project
	log     bytes.Buffer
}

func (f *fake) Generate(_ context.Context, req *core.Request) (*core.Stream, error) {
	f.got = req
	if f.err != nil {
		return nil, f.err
	}
	return &core.Stream{
		Placement: core.Placement{Model: "tiny:latest", Runtime: "mock", Device: "cpu"},
		Events:    play(f.script),
	}, nil
}

func play(script []any) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		for _, s := range script {
			switch s := s.(type) {
			case string:
				if !yield(core.Event{Text: s}, nil) {
					return
				}
			case core.FinishReason:
				if !yield(core.Event{Finish: s}, nil) {
					return
				}
			case error:
				yield(core.Event{}, s)
				return
			}
		}
		yield(core.Event{Usage: &core.Usage{}}, nil)
	}
}

func (f *fake) Resolve(_ context.Context, name string) (*core.Manifest, error) {
	if name != "tiny:latest" {
		return &core.Manifest{Name: name}, nil
	}
	return &core.Manifest{Name: name, Files: []core.File{{Name: "tiny.gguf"}}}, nil
}

func (f *fake) Report(context.Context) (*Report, error) {
	return &Report{ModelsDirectory: "models"}, f.err
}

func (f *fake) Scan(context.Context) (*Report, error) {
	f.scans++
	return &Report{
		ModelsDirectory: "models",
		LoadedModels:    []ModelFile{{"a.gguf", "models/a.gguf", 7, "AB", time.Unix(0, 0).UTC()}},
		FailedModels:    []FailedFile{{"b.gguf", "models/b.gguf", "It is broken."}},
	}, f.err
}

func (f *fake) MakeProject(_ context.Context, p ProjectRequest) (*Project, error) {
	f.asked = p
	return f.project, f.err
}

func (f *fake) call(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	now := time.Unix(1700000000, 0)
	d := New(f, f, f, f, Config{
		Log: slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: func() time.Time { now = now.Add(250 * time.Millisecond); return now },
	})
	mux := http.NewServeMux()
	for _, row := range d.Routes {
		mux.HandleFunc(row.Method+" "+row.Path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Request-Id", "req-1")
			if err := row.Handle(w, r); err != nil && w.Header().Get("Content-Type") == "" {
				d.WriteError(w, r, core.AsError(err))
			}
		})
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
	return w
}

func (f *fake) want(t *testing.T, method, path, body string, status int, answer string) {
	t.Helper()
	w := f.call(t, method, path, body)
	if w.Code != status {
		t.Errorf("%s %s: status %d", path, body, w.Code)
	}
	if diff := cmp.Diff(answer, strings.TrimSuffix(w.Body.String(), "\n")); diff != "" {
		t.Errorf("%s %s: %s", path, body, diff)
	}
}

func TestGoldenAnswers(t *testing.T) {
	f := &fake{script: []any{"Hel", "lo", core.FinishStop}}
	f.want(t, "GET", "/api/ai/health", "", 200, `{"status":"healthy","server":"ASHATAIServer","timestamp":"2023-11-14T22:13:20.25Z"}`)
	f.want(t, "GET", "/api/ai/status", "", 200, `{"modelsDirectory":"models","loadedModels":[],"failedModels":[]}`)
	f.want(t, "POST", "/api/ai/models/scan", "", 200, `{"modelsDirectory":"models",`+
		`"loadedModels":[{"fileName":"a.gguf","path":"models/a.gguf","sizeBytes":7,"checksum":"AB","loadedAt":"1970-01-01T00:00:00Z"}],`+
		`"failedModels":[{"fileName":"b.gguf","path":"models/b.gguf","error":"It is broken."}]}`)
	if f.scans != 1 {
		t.Error("scanned", f.scans, "times")
	}
	f.want(t, "POST", "/api/ai/process", `{"prompt":"hi","modelName":"tiny.gguf"}`, 200,
		`{"success":true,"modelUsed":"tiny.gguf","response":"Hello","processingTimeMs":250,"error":null}`)
	want := &core.Request{ID: "req-1", Model: "tiny.gguf", Messages: []core.Message{{Role: core.RoleUser, Content: "hi"}}, MaxTokens: 2048}
	if diff := cmp.Diff(want, f.got); diff != "" {
		t.Error(diff)
	}
	f.want(t, "POST", "/api/ai/process", `{"prompt":"hi","modelName":null}`, 200,
		`{"success":true,"modelUsed":"tiny.gguf","response":"Hello","processingTimeMs":250,"error":null}`)
}

func TestErrors(t *testing.T) {
	f := &fake{}
	for _, body := range []string{`{}`, `{"prompt":""}`, `{"prompt":" \n"}`, `{"prompt":null}`} {
		f.want(t, "POST", "/api/ai/process", body, 400, `{"error":"Prompt cannot be empty"}`)
		f.want(t, "POST", "/api/ai/process/stream", body, 400, `{"error":"Prompt cannot be empty"}`)
	}
	f.want(t, "POST", pathProject, `{"projectDescription":" "}`, 400, `{"success":false,"error":"Project description is required"}`)
	f.want(t, "POST", pathProject, `{"projectDescription":"x","options":{"maxFiles":0}}`, 400, `{"success":false,"error":"options.maxFiles is 0; it must be at least 1."}`)
	for _, body := range []string{``, `[`, `{"prompt":1}`, `{"prompt":"a","prompt":"b"}`, `{"prompt":"a","Prompt":"b"}`, "{\"prompt\":\"\xff\"}", `"x"`, `{"prompt":"a"} x`} {
		if w := f.call(t, "POST", "/api/ai/process", body); w.Code != 400 || !strings.HasPrefix(w.Body.String(), `{"error":"`) {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	}
	if w := f.call(t, "POST", "/api/ai/process", `{"prompt":"`+strings.Repeat("x", maxBody)+`"}`); w.Code != 413 {
		t.Error(w.Code)
	}
	f.err = &core.Error{Code: core.CodeModelNotFound, Message: "There is no such model."}
	f.want(t, "POST", "/api/ai/process", `{"prompt":"a"}`, 404, `{"error":"There is no such model."}`)
	f.want(t, "POST", pathProject, `{"projectDescription":"a"}`, 404, `{"success":false,"error":"There is no such model."}`)
	f.want(t, "GET", "/api/ai/status", ``, 404, `{"error":"There is no such model."}`)
	f = &fake{script: []any{"a", core.Errorf(core.CodeWorkerDied, "It ended.")}}
	f.want(t, "POST", "/api/ai/process", `{"prompt":"a"}`, 502, `{"error":"It ended."}`)
}

func TestUnknownFieldsAreLoggedAndOverlooked(t *testing.T) {
	f := &fake{script: []any{"a", core.FinishStop}, project: &Project{}}
	f.call(t, "POST", "/api/ai/process", `{"Prompt":"hi","temperature":1,"MODELNAME":"m","deep":{"a":[1]}}`)
	if f.got == nil || f.got.Model != "m" || !strings.Contains(f.log.String(), `fields="[deep temperature]"`) {
		t.Errorf("%+v\n%s", f.got, f.log.String())
	}
	if w := f.call(t, "POST", pathProject, `{"projectDescription":"d","options":{"maxfiles":3,"colour":"red"}}`); w.Code != 200 {
		t.Error(w.Body)
	}
	if f.asked.MaxFiles != 3 || !strings.Contains(f.log.String(), "options.colour") {
		t.Errorf("%+v\n%s", f.asked, f.log.String())
	}
}

func TestTruncationIsVisible(t *testing.T) {
	f := &fake{script: []any{"a", core.FinishLength}}
	if got := f.call(t, "POST", "/api/ai/process", `{"prompt":"a"}`).Header().Get("X-Ashatai-Truncated"); got != "length" {
		t.Fatal(got)
	}
}

func TestStreamGolden(t *testing.T) {
	f := &fake{script: []any{"Hi", " a\nb\r\n\nc", "", "[DONE]", `{"error": 1}`, core.FinishStop}}
	w := f.call(t, "POST", "/api/ai/process/stream", `{"prompt":"a"}`)
	want := "data: Hi\n\ndata:  a\ndata: b\ndata: \ndata: c\n\ndata: [\n\ndata: DONE]\n\ndata: {\n\ndata: \"error\": 1}\n\ndata: [DONE]\n\n"
	if diff := cmp.Diff(want, w.Body.String()); diff != "" {
		t.Error(diff)
	}
	if ct := w.Header().Get("Content-Type"); !strings.HasPrefix(ct, "text/event-stream") || w.Header().Get("X-Ashatai-Runtime") != "mock" {
		t.Error(w.Header())
	}
	f.script = []any{"a", core.Errorf(core.CodeWorkerDied, "It ended.")}
	f.want(t, "POST", "/api/ai/process/stream", `{"prompt":"a"}`, 200, "data: a\n\ndata: {\"error\":\"It ended.\"}\n")
	f.script = []any{core.Errorf(core.CodeWorkerDied, "It ended.")}
	f.want(t, "POST", "/api/ai/process/stream", `{"prompt":"a"}`, 502, `{"error":"It ended."}`)
}

// readEvents is a reader of event streams as the standard has it.
func readEvents(body string) (text string, done bool) {
	for ev := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		var lines []string
		for l := range strings.SplitSeq(ev, "\n") {
			lines = append(lines, strings.TrimPrefix(strings.TrimPrefix(l, "data:"), " "))
		}
		piece := strings.Join(lines, "\n")
		if piece == "[DONE]" {
			return text, true
		}
		text += piece
	}
	return text, false
}

func TestStreamedEqualsWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := &fake{}
		for range rapid.IntRange(0, 8).Draw(rt, "pieces") {
			f.script = append(f.script, rapid.OneOf(
				rapid.SampledFrom([]string{"[DONE]", "\n", "\n\n", " ", "data: x", `{"error":"x"}`, ":"}), rapid.StringMatching(`[a-zé :\n]{0,9}`),
			).Draw(rt, "piece"))
		}
		f.script = append(f.script, core.FinishStop)
		var whole processAnswer
		if err := json.Unmarshal(f.call(t, "POST", "/api/ai/process", `{"prompt":"a"}`).Body.Bytes(), &whole); err != nil {
			rt.Fatal(err)
		}
		body := f.call(t, "POST", "/api/ai/process/stream", `{"prompt":"a"}`).Body.String()
		if got, done := readEvents(body); got != whole.Response || !done {
			rt.Fatalf("streamed %q (%v), whole %q, as %q", got, done, whole.Response, body)
		}
	})
}

func TestProject(t *testing.T) {
	f := &fake{project: &Project{Files: map[string]string{"b.cs": "x", "a.cs": "yé"}, Model: "tiny:latest", Type: "console", Language: "csharp"}}
	f.want(t, "POST", pathProject, `{"projectDescription":" a clock "}`, 200, `{"success":true,"files":{"a.cs":"yé","b.cs":"x"},"metadata":{"modelUsed":"tiny.gguf",`+
		`"projectType":"console","language":"csharp","fileCount":2,"totalSizeBytes":4,"generationTimeMs":250,"warnings":[]},"error":null}`)
	if diff := cmp.Diff(ProjectRequest{ID: "req-1", Description: "a clock", IncludeComments: true, IncludeReadme: true}, f.asked); diff != "" {
		t.Error(diff)
	}
	f.call(t, "POST", pathProject, `{"projectDescription":"d","projectType":"web","language":"go","modelName":"m",`+
		`"options":{"includeComments":false,"includeTests":true,"includeReadme":false,"maxFiles":2,"maxFileSizeBytes":9}}`)
	want := ProjectRequest{ID: "req-1", Description: "d", Type: "web", Language: "go", Model: "m", IncludeTests: true, MaxFiles: 2, MaxFileBytes: 9}
	if diff := cmp.Diff(want, f.asked); diff != "" {
		t.Error(diff)
	}
}

func TestDefaults(t *testing.T) {
	d := New(nil, nil, nil, nil, Config{})
	for _, row := range d.Routes {
		if row.Summary == "" || row.Handle == nil {
			t.Error(row.Path)
		}
	}
}

// TestRequestsAreOpen: the document says of this dialect's requests what its handlers do with fields that they do not know.
func TestRequestsAreOpen(t *testing.T) {
	f := &fake{script: []any{"a", core.FinishStop}}
	for _, row := range New(f, f, f, f, Config{}).Routes {
		if row.Request != nil && !reflect.PointerTo(reflect.TypeOf(row.Request)).Implements(reflect.TypeFor[api.Open]()) {
			t.Errorf("%s: unknown fields are let pass, and the document forbids them", row.Path)
		}
	}
	if w := f.call(t, "POST", "/api/ai/process", `{"prompt":"a","more":{"b":1}}`); w.Code != 200 {
		t.Error(w.Code, w.Body)
	}
}

func FuzzProcessRequest(f *testing.F) {
	for _, s := range []string{`{"prompt":"a"}`, `{"PROMPT":"a","x":{"y":1}}`, `{"prompt":1}`, `{"options":{}}`, `[]`, `{"projectDescription":"x","options":{"MaxFiles":1e2}}`} {
		f.Add([]byte(s))
	}
	h := &handler{log: slog.New(slog.DiscardHandler)}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, v := range []any{&processRequest{}, &projectRequest{}} {
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/", bytes.NewReader(body))
			err := h.decode(r, v)
			if err != nil && core.CodeOf(err) == core.CodeInternal {
				t.Fatalf("%q: %v", body, err)
			}
			if p, ok := v.(*projectRequest); ok && err == nil {
				_, _ = p.request()
			}
		}
	})
}
