package api

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

type event struct{ Name, Data string }

// decodeSSE is a client by the standard's own rules.
func decodeSSE(t *testing.T, text string) []event {
	t.Helper()
	var out []event
	var e event
	var data []string
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	for _, line := range strings.SplitAfter(text, "\n") {
		line, ended := strings.CutSuffix(line, "\n")
		if !ended {
			break // the standard drops an event that is not ended
		}
		if line == "" {
			if data != nil {
				e.Data = strings.Join(data, "\n")
				out = append(out, e)
			}
			e, data = event{}, nil
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.Name = value
		case "data":
			data = append(data, value)
		}
	}
	return out
}

func TestSSE(t *testing.T) {
	w := httptest.NewRecorder()
	s := NewSSE(w, 0)
	if s.Started() {
		t.Error("started before the first event")
	}
	for _, err := range []error{
		s.Comment("waiting\nfor: x"), s.Data("a\nb\r\nc\rd"), s.Event("delta", " {}"), s.JSON("", map[string]string{"t": "<é>"}), s.Data(""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if !s.Started() || !w.Flushed || w.Header().Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Errorf("headers are %v", w.Header())
	}
	want := []event{{"", "a\nb\nc\nd"}, {"delta", " {}"}, {"", `{"t":"<é>"}`}, {"", ""}}
	if diff := cmp.Diff(want, decodeSSE(t, w.Body.String())); diff != "" {
		t.Errorf("%s\n%q", diff, w.Body.String())
	}
	before := w.Body.Len()
	if err := s.Event("a\nb", "x"); core.CodeOf(err) != core.CodeInternal || w.Body.Len() != before {
		t.Errorf("a name with a line break: %v", err)
	}
	if err := s.JSON("", func() {}); core.CodeOf(err) != core.CodeInternal {
		t.Error(err)
	}
}

func FuzzSSE(f *testing.F) {
	f.Add("delta", "hello\nworld", "x")
	f.Add("", "\r\n\n\r", "data: y\n\n")
	f.Add("e", ": x", "\x00\ufeff")
	f.Fuzz(func(t *testing.T, name, one, two string) {
		w := httptest.NewRecorder()
		s := NewSSE(w, 0)
		if s.Event(name, one) != nil {
			return
		}
		_ = s.Comment(two)
		_ = s.Data(two)
		lf := strings.NewReplacer("\r\n", "\n", "\r", "\n")
		want := []event{{name, lf.Replace(one)}, {"", lf.Replace(two)}}
		if diff := cmp.Diff(want, decodeSSE(t, w.Body.String())); diff != "" {
			t.Fatalf("%s\n%q", diff, w.Body.String())
		}
	})
}

func TestNDJSON(t *testing.T) {
	w := httptest.NewRecorder()
	n := NewNDJSON(w, time.Second)
	if err := n.Write(map[string]int{"a": 1}); err != nil {
		t.Fatal(err)
	}
	if err := n.Write("x\ny"); err != nil {
		t.Fatal(err)
	}
	if err := n.Write(make(chan int)); core.CodeOf(err) != core.CodeInternal {
		t.Error(err)
	}
	if got := w.Body.String(); got != "{\"a\":1}\n\"x\\ny\"\n" || w.Header().Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%q", got)
	}
}

// A client that stops reading must not hold the handler: the socket's buffers fill, and the write's deadline ends it.
func TestStalledReaderIsDropped(t *testing.T) {
	done := make(chan error, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s := NewSSE(w, 50*time.Millisecond)
		piece := strings.Repeat("x", 1<<16)
		for {
			if err := s.Data(piece); err != nil {
				done <- err
				return
			}
		}
	}))
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if core.CodeOf(err) != core.CodeCancelled {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the handler still writes")
	}
}

func TestWriteJSON(t *testing.T) {
	w := httptest.NewRecorder()
	if err := WriteJSON(w, http.StatusCreated, map[string]string{"a": "<b>"}); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusCreated || w.Body.String() != "{\"a\":\"<b>\"}\n" || w.Header().Get("Content-Length") != "12" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	w = httptest.NewRecorder()
	if err := WriteJSON(w, http.StatusOK, func() {}); err == nil || len(w.Header()) != 0 {
		t.Errorf("%v, %v", err, w.Header())
	}
	if err := WriteJSON(deaf{httptest.NewRecorder()}, http.StatusOK, 1); core.CodeOf(err) != core.CodeCancelled {
		t.Error(err)
	}
	if err := NewSSE(deaf{httptest.NewRecorder()}, 0).Data("x"); core.CodeOf(err) != core.CodeCancelled {
		t.Error(err)
	}
}

type deaf struct{ http.ResponseWriter }

func (deaf) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestStatusAndErrorHeaders(t *testing.T) {
	for code, want := range map[core.Code]int{
		core.CodeInvalidRequest: 400, core.CodeContextExceeded: 400, core.CodeUnsupported: 400, core.CodeUnauthenticated: 401,
		core.CodeForbidden: 403, core.CodeNotFound: 404, core.CodeModelNotFound: 404, core.CodeMethod: 405, core.CodeConflict: 409,
		core.CodeTooLarge: 413, core.CodeRateLimited: 429, core.CodeQueueFull: 429, core.CodeCancelled: 499, core.CodeDeadline: 504,
		core.CodeBadModel: 422, core.CodeOutOfMemory: 503, core.CodeDiskFull: 507, core.CodeWorkerDied: 502, core.CodeQuarantined: 422,
		core.CodeUnavailable: 503, core.CodeDraining: 503, core.CodeInternal: 500, "new": 500,
	} {
		if got := Status(code); got != want {
			t.Errorf("%s is %d, not %d", code, got, want)
		}
	}
	for want, e := range map[string]*core.Error{
		"":  core.Errorf(core.CodeInternal, "x"),
		"5": core.Errorf(core.CodeDraining, "x"),
		"1": {Code: core.CodeQueueFull, RetryAfter: time.Millisecond},
		"3": {Code: core.CodeQueueFull, RetryAfter: 2001 * time.Millisecond},
	} {
		w := httptest.NewRecorder()
		w.Header().Set(HeaderRequestID, "req_7")
		WriteError(w, nil, e)
		if got := w.Header().Get("Retry-After"); got != want {
			t.Errorf("%s: Retry-After %q, not %q", e.Code, got, want)
		}
		var body ErrorBody
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error.Code != e.Code || body.Error.RequestID != "req_7" {
			t.Errorf("%s, %v", w.Body, err)
		}
	}
}
