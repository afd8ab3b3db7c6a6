package load

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fake streams max_tokens words, one every gap, two tokens each, and tells its usage.
type fake struct {
	gap    time.Duration
	refuse string      // a field that it does not know
	mute   atomic.Bool // no text ever comes
	echo   string      // text of every piece instead of "x "

	mu   sync.Mutex
	asks []map[string]any
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q map[string]any
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	f.asks = append(f.asks, q)
	f.mu.Unlock()
	if _, ok := q[f.refuse]; ok && f.refuse != "" {
		http.Error(w, `{"error":{"message":"unknown field `+f.refuse+`"}}`, http.StatusBadRequest)
		return
	}
	n := 0
	if list, ok := q["messages"].([]any); ok {
		for _, m := range list {
			n += 5 + len(strings.Fields(m.(map[string]any)["content"].(string)))
		}
	} else {
		n = len(strings.Fields(q["prompt"].(string)))
	}
	w.Header().Set("Content-Type", "text/event-stream")
	k := int(q["max_tokens"].(float64)+1) / 2
	piece, err := json.Marshal(map[string]any{"choices": []any{map[string]any{"delta": map[string]string{"content": f.text()}}}})
	if err != nil {
		panic(err)
	}
	for range k {
		select {
		case <-time.After(f.gap):
		case <-r.Context().Done():
			return
		}
		if f.mute.Load() {
			continue
		}
		fmt.Fprintf(w, "data: %s\n\n", piece)
		w.(http.Flusher).Flush()
	}
	fmt.Fprintf(w, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d}}\n\ndata: [DONE]\n\n", n, 2*k)
}

func (f *fake) text() string {
	if f.echo != "" {
		return f.echo
	}
	return "x "
}

func (f *fake) open(t *testing.T, o Options) *Worker {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	o.URL, o.Model = srv.URL+"/v1", "m"
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	w, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func TestDecode(t *testing.T) {
	w := (&fake{gap: time.Millisecond}).open(t, Options{Repeats: 2})
	s := w.Decode(t.Context(), 4)
	if s.Name != "decode-4" || s.Requests != 8 || s.Errors != 0 || s.OutTokens != 8*128 || s.PromptTokens != 64 || s.Cached != -1 {
		t.Errorf("%+v", s)
	}
	// 4 streams, 2 tokens a piece, a piece each millisecond at best.
	if !s.Measured || s.Rate < 200 || s.Rate > 8500 || s.TTFT <= 0 || s.LongestGap < s.Gap {
		t.Errorf("%+v", s)
	}
}

func TestEveryPieceOfWork(t *testing.T) {
	f := &fake{}
	w := f.open(t, Options{Repeats: 1, Window: time.Second})
	var all []Summary
	all = append(all, w.Prefix(t.Context())...)
	all = append(all, w.Agents(t.Context())...)
	all = append(all, w.Stall(t.Context())...)
	all = append(all, w.Busy(t.Context(), 2), w.Prime(t.Context()), w.Return(t.Context()))
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
		if s.Errors != 0 || s.TTFT <= 0 {
			t.Errorf("%+v", s)
		}
	}
	want := "prefix-1500-cold prefix-1500-warm agents-5-round1 agents-5-round2 agents-5-round3 stall-streams-4 " +
		"stall-newcomer-1500 busy-core-2 restart-before restart-after"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("the work was %s", got)
	}
	last := len(f.asks) - 1
	before, after := f.asks[last-1]["messages"].([]any), f.asks[last]["messages"].([]any)
	if fmt.Sprint(before[0]) != fmt.Sprint(after[0]) || fmt.Sprint(before[1]) == fmt.Sprint(after[1]) {
		t.Error("after the restart the prefix must be the same, and the tail another")
	}
}

func TestCancel(t *testing.T) {
	w := (&fake{gap: 5 * time.Millisecond}).open(t, Options{})
	rows := w.Cancel(t.Context())
	if len(rows) != 3 || rows[1].Cancelled != 8 || rows[1].Errors != 0 || rows[2].Requests != 1 || rows[2].TTFT <= 0 {
		t.Errorf("%+v", rows)
	}
}

// TestBusyCountsWhatCame looks at streams that the window ended: their tokens are counted by the tokens per piece that
// whole answers had, and a server that got out nothing has a rate, which is 0.
func TestBusyCountsWhatCame(t *testing.T) {
	f := &fake{gap: 10 * time.Millisecond}
	w := f.open(t, Options{Window: 400 * time.Millisecond})
	s := w.Busy(t.Context(), 2)
	if s.Cancelled != 2 || !s.Measured || s.Rate < 80 || s.Rate > 450 {
		t.Errorf("%+v; 2 streams of a piece of two tokens each 10 ms make 400 tokens/s at best", s)
	}
	f.mute.Store(true)
	if s := w.Busy(t.Context(), 2); !s.Measured || s.Rate != 0 || s.Errors != 0 {
		t.Errorf("a server that says nothing: %+v", s)
	}
}

func TestEdit(t *testing.T) {
	f := &fake{echo: "the boats of Brackley stay in the dock "}
	w := f.open(t, Options{})
	s := w.Edit(t.Context())
	if s.Requests != 2 || s.Errors != 0 || !s.Measured || s.Rate <= 0 {
		t.Errorf("%+v", s)
	}
	if s.Overlap != 0 {
		t.Errorf("the overlap counts the worst text, and is %v", s.Overlap)
	}
	for _, q := range f.asks[len(f.asks)-2:] {
		if _, forced := q["ignore_eos"]; forced || q["prompt"] == nil || q["stop"] == nil || q["temperature"] != 0.0 {
			t.Errorf("the request was %v", q)
		}
	}
	for _, e := range edits() {
		if strings.Count(e.raw, e.want[len(e.want)-60:]) != 2 {
			t.Errorf("the prompt does not show the text twice: %s", e.raw)
		}
	}
}

func TestSchemas(t *testing.T) {
	f := &fake{echo: `{"x":1}`}
	w := f.open(t, Options{})
	s := w.Schemas(t.Context())
	if s.Name != "schemas" || s.Requests != 10 || s.Errors != 0 || !s.Measured || s.Rate <= 0 || s.OutTokens != 10*160 {
		t.Errorf("%+v", s)
	}
	if s.Overlap != 0 {
		t.Errorf("many objects in a row are no whole answer, and %v of them are", s.Overlap)
	}
	for _, q := range f.asks[len(f.asks)-10:] {
		got := q["response_format"].(map[string]any)
		js := got["json_schema"].(map[string]any)
		if _, forced := q["ignore_eos"]; forced || got["type"] != "json_schema" || js["strict"] != true || js["schema"].(map[string]any)["type"] != "object" {
			t.Errorf("the request was %v", q)
		}
	}
}

func TestRepeated(t *testing.T) {
	const text = "one two three four five six"
	for _, c := range []struct {
		output string
		want   float64
	}{{text, 1}, {"two three four five", 1}, {"nothing of all that stands there", 0}, {"", 0}, {"one two three four nine", 0.5}} {
		if got := repeated(text, c.output); got != c.want {
			t.Errorf("repeated(%q) = %v, want %v", c.output, got, c.want)
		}
	}
}

func TestRefusedFieldIsDropped(t *testing.T) {
	w := (&fake{refuse: "ignore_eos"}).open(t, Options{})
	if w.c.ignoreEOS.Load() {
		t.Error("the field is still sent")
	}
	if s := w.Decode(t.Context(), 1); s.Errors != 0 {
		t.Errorf("%+v", s)
	}
}

func TestCompletions(t *testing.T) {
	f := &fake{}
	w := f.open(t, Options{Completions: true, Repeats: 1})
	if s := w.Decode(t.Context(), 1); s.Errors != 0 || s.PromptTokens != 64 {
		t.Errorf("%+v", s)
	}
	if f.asks[0]["messages"] != nil {
		t.Error("a chat request was sent")
	}
}

func TestFailures(t *testing.T) {
	for name, answer := range map[string]string{
		"no end":         "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n",
		"an error event": "data: {\"error\":{\"message\":\"gone\"}}\n\ndata: [DONE]\n\n",
		"no JSON":        "data: {\n\n",
		"no text":        "data: [DONE]\n\n",
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		if _, err := Open(t.Context(), Options{URL: srv.URL, Timeout: time.Second}); err == nil {
			t.Errorf("%s passed", name)
		}
		srv.Close()
	}
	if _, err := Open(t.Context(), Options{URL: "http://127.0.0.1:1", Timeout: time.Second}); err == nil {
		t.Error("nobody listens, and that passed")
	}
}

func TestQuantile(t *testing.T) {
	if quantile(nil, .5) != 0 || quantile([]float64{3, 1, 2}, .5) != 2 || quantile([]float64{1, 2}, 1) != 2 {
		t.Error("quantiles")
	}
}
