package openai

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

func embedFake() *fake {
	f := newFake()
	f.embeds = &core.Embeddings{Model: "tiny:latest", Vectors: [][]float32{{0.6, -0.8}}, Usage: core.Usage{Prompt: 3}}
	return f
}

func TestEmbeddings(t *testing.T) {
	f := embedFake()
	w := f.call(t, "POST", "/v1/embeddings", `{"input":"a","model":"tiny","dimensions":2}`)
	want := `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.6,-0.8]}],"model":"tiny:latest","usage":{"prompt_tokens":3,"total_tokens":3}}` + "\n"
	if diff := cmp.Diff(want, w.Body.String()); diff != "" {
		t.Fatal(diff)
	}
	decode[embeddingAnswer](t, w.Body.String())
	if diff := cmp.Diff(&core.EmbedRequest{ID: "req-1", Model: "tiny", Inputs: []core.EmbedInput{{Text: "a"}}, Dimensions: 2}, f.gotEmb); diff != "" {
		t.Fatal(diff)
	}
	w = f.call(t, "POST", "/v1/embeddings", `{"input":[[1,2],[3]],"encoding_format":"base64"}`)
	text, _ := decode[embeddingAnswer](t, w.Body.String()).Data[0].Embedding.(string)
	packed, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(packed) != 8 || math.Float32frombits(binary.LittleEndian.Uint32(packed[4:])) != -0.8 {
		t.Fatal(packed, err)
	}
	if diff := cmp.Diff([]core.EmbedInput{{Tokens: []int{1, 2}}, {Tokens: []int{3}}}, f.gotEmb.Inputs); diff != "" {
		t.Fatal(diff)
	}
	f.err = core.Errorf(core.CodeUnsupported, "No.")
	if w := f.call(t, "POST", "/v1/embeddings", `{"input":"a"}`); w.Code != 400 {
		t.Fatal(w.Body)
	}
}

func TestModels(t *testing.T) {
	f := newFake()
	if got := f.call(t, "GET", "/v1/models", "").Body.String(); got != `{"object":"list","data":[]}`+"\n" {
		t.Fatal(got)
	}
	f.models = []*core.Manifest{{Name: "tiny:latest", Created: time.Unix(5, 0)}, {Name: "org/big:q4"}}
	want := `{"object":"list","data":[{"id":"tiny:latest","object":"model","created":5,"owned_by":"local"},{"id":"org/big:q4","object":"model","created":0,"owned_by":"org"}]}` + "\n"
	if diff := cmp.Diff(want, f.call(t, "GET", "/v1/models", "").Body.String()); diff != "" {
		t.Fatal(diff)
	}
	for _, p := range []string{"/v1/models/org/big:q4", "/v1/models/org%2Fbig:q4", "/v1/models/org%2fbig%3Aq4"} {
		if got := f.call(t, "GET", p, "").Body.String(); got != `{"id":"org/big:q4","object":"model","created":0,"owned_by":"org"}`+"\n" {
			t.Errorf("%s: %s", p, got)
		}
	}
	if w := f.call(t, "GET", "/v1/models/none", ""); w.Code != 404 || !strings.Contains(w.Body.String(), `"code":"model_not_found"`) {
		t.Fatal(w.Body)
	}
	if w := f.call(t, "GET", "/v1/models/", ""); w.Code != 404 || !strings.Contains(w.Body.String(), `"code":"not_found"`) {
		t.Fatal(w.Body)
	}
	f.err = errors.New("disk")
	if w := f.call(t, "GET", "/v1/models", ""); w.Code != 500 || strings.Contains(w.Body.String(), "disk") {
		t.Fatal(w.Body)
	}
}

// echo answers each request with its own prompt, once for each choice.
func echo(ctx context.Context, req *core.Request) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		for i := range max(req.Choices, 1) {
			if ctx.Err() != nil {
				yield(core.Event{}, ctx.Err())
				return
			}
			text := fmt.Sprintf("%s%v/%d", req.Prompt, req.Tokens, i)
			if !yield(core.Event{Choice: i, Text: text}, nil) || !yield(core.Event{Choice: i, Finish: core.FinishLength}, nil) {
				return
			}
		}
		yield(core.Event{Usage: &core.Usage{Prompt: 2, Completion: 3, Cached: 1, Queued: time.Second}}, nil)
	}
}

func TestCompletionsOfSeveralPrompts(t *testing.T) {
	f := newFake()
	f.events = echo
	prompts := make([]string, 20)
	var want []completionChoice
	for i := range prompts {
		prompts[i] = fmt.Sprintf(`"p%d"`, i)
		for n := range 2 {
			want = append(want, completionChoice{Text: fmt.Sprintf("p%d[]/%d", i, n), Index: 2*i + n, FinishReason: new("length")})
		}
	}
	body := `{"prompt":[` + strings.Join(prompts, ",") + `],"n":2,"best_of":2%s}`
	got := decode[completionAnswer](t, f.call(t, "POST", "/v1/completions", fmt.Sprintf(body, "")).Body.String())
	if diff := cmp.Diff(want, got.Choices); diff != "" {
		t.Fatal(diff)
	}
	if got.Usage.PromptTokens != 40 || got.Usage.CompletionTokens != 60 || got.Usage.PromptDetails.CachedTokens != 20 {
		t.Fatal(got.Usage)
	}
	if f.got[0].MaxTokens != 16 {
		t.Fatal("max_tokens is", f.got[0].MaxTokens, "when absent")
	}
	texts := make([]string, len(want))
	for _, d := range data(f.call(t, "POST", "/v1/completions", fmt.Sprintf(body, `,"stream":true`)).Body.String()) {
		if d != "[DONE]" {
			c := decode[completionAnswer](t, d).Choices[0]
			texts[c.Index] += c.Text
		}
	}
	for i, w := range want {
		if texts[i] != w.Text {
			t.Errorf("choice %d streams as %q", i, texts[i])
		}
	}
}

func TestCompletionsOfTokens(t *testing.T) {
	f := newFake()
	f.events = echo
	got := decode[completionAnswer](t, f.call(t, "POST", "/v1/completions", `{"prompt":[[1,2],[3]],"max_tokens":5}`).Body.String())
	if got.Choices[0].Text != "[1 2]/0" || got.Choices[1].Text != "[3]/0" || got.Object != "text_completion" {
		t.Fatal(got)
	}
	got = decode[completionAnswer](t, f.call(t, "POST", "/v1/completions", `{"prompt":[1,2]}`).Body.String())
	if len(got.Choices) != 1 || got.Choices[0].Text != "[1 2]/0" {
		t.Fatal(got)
	}
}

// TestOnePromptFails sees the whole end, and nothing of it left running.
func TestOnePromptFails(t *testing.T) {
	f := newFake()
	f.events = func(ctx context.Context, req *core.Request) iter.Seq2[core.Event, error] {
		return func(yield func(core.Event, error) bool) {
			if req.Prompt == "bad" {
				yield(core.Event{}, core.Errorf(core.CodeWorkerDied, "It ended."))
				return
			}
			if yield(core.Event{Text: "x"}, nil) {
				<-ctx.Done()
				yield(core.Event{}, ctx.Err())
			}
		}
	}
	w := f.call(t, "POST", "/v1/completions", `{"prompt":["a","b","bad"]}`)
	if w.Code != 502 || !strings.Contains(w.Body.String(), "worker_died") {
		t.Fatal(w.Code, w.Body)
	}
	f.err = core.Errorf(core.CodeQueueFull, "Full.")
	if w := f.call(t, "POST", "/v1/completions", `{"prompt":["a","b"]}`); w.Code != 429 {
		t.Fatal(w.Code, w.Body)
	}
}

func logTokens() []core.Token {
	return []core.Token{
		{ID: 1, Bytes: []byte("é"), Logprob: -0.5, Top: []core.Token{{Bytes: []byte("é"), Logprob: -0.5}, {Bytes: []byte{0xff}, Logprob: math.Inf(-1)}}},
		{ID: 2, Bytes: []byte("b"), Logprob: -1e-9},
	}
}

func TestLogprobs(t *testing.T) {
	f := newFake()
	f.events = play(core.Event{Text: "éb", Tokens: logTokens()}, core.Event{Tokens: logTokens()[1:], Text: "b"}, core.Event{Finish: core.FinishStop}, core.Event{Usage: &core.Usage{}})
	body := `{"messages":[{"role":"user","content":"hi"}],"logprobs":true,"top_logprobs":2%s}`
	want := &chatLogprobs{Content: []tokenInfo{
		{topToken{"é", -0.5, []int{0xc3, 0xa9}}, []topToken{{"é", -0.5, []int{0xc3, 0xa9}}, {"\ufffd", -9999, []int{0xff}}}},
		{topToken{"b", -1e-9, []int{'b'}}, []topToken{}},
	}}
	opt := cmp.AllowUnexported(tokenInfo{})
	chunk := decode[chatChunk](t, data(f.call(t, "POST", chatPath, fmt.Sprintf(body, `,"stream":true`)).Body.String())[1])
	if diff := cmp.Diff(want, chunk.Choices[0].Logprobs, opt); diff != "" {
		t.Fatal(diff)
	}
	want.Content = append(want.Content, want.Content[1])
	whole := decode[chatAnswer](t, f.call(t, "POST", chatPath, fmt.Sprintf(body, "")).Body.String())
	if diff := cmp.Diff(want, whole.Choices[0].Logprobs, opt); diff != "" {
		t.Fatal(diff)
	}
	text := decode[completionAnswer](t, f.call(t, "POST", "/v1/completions", `{"prompt":"a","logprobs":2}`).Body.String())
	wantText := &textLogprobs{
		Tokens: []string{"é", "b", "b"}, TokenLogprobs: []float64{-0.5, -1e-9, -1e-9},
		TopLogprobs: []map[string]float64{{"é": -0.5, `bytes:\xff`: -9999}, {}, {}}, TextOffset: []int{0, 1, 2},
	}
	if diff := cmp.Diff(wantText, text.Choices[0].Logprobs); diff != "" {
		t.Fatal(diff)
	}
	last := decode[completionAnswer](t, data(f.call(t, "POST", "/v1/completions", `{"prompt":"a","logprobs":2,"stream":true}`).Body.String())[1])
	if diff := cmp.Diff([]int{2}, last.Choices[0].Logprobs.TextOffset); diff != "" {
		t.Fatal(diff)
	}
}
