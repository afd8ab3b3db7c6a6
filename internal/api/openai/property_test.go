package openai

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// TestStreamedEqualsWhole: the deltas of a stream add up to the text of the whole answer, for both endpoints.
func TestStreamedEqualsWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var script []any
		want := [2]string{}
		for range rapid.IntRange(0, 12).Draw(rt, "events") {
			ev := core.Event{Choice: rapid.IntRange(0, 1).Draw(rt, "choice"), Text: rapid.String().Draw(rt, "text")}
			want[ev.Choice] += ev.Text
			script = append(script, ev)
		}
		script = append(script, core.Event{Choice: 1, Finish: core.FinishStop}, core.Event{Choice: 0, Text: "end", Finish: core.FinishLength}, core.Event{Usage: &core.Usage{}})
		want[0] += "end"
		f := newFake()
		f.events = play(script...)

		chat := `{"messages":[{"role":"user","content":"hi"}],"n":2`
		whole := decode[chatAnswer](t, f.call(t, "POST", chatPath, chat+"}").Body.String())
		var streamed, texts [2]string
		for _, d := range data(f.call(t, "POST", chatPath, chat+`,"stream":true}`).Body.String()) {
			if d == "[DONE]" {
				continue
			}
			if c := decode[chatChunk](t, d).Choices[0]; c.Delta.Content != nil {
				streamed[c.Index] += *c.Delta.Content
			}
		}
		for _, d := range data(f.call(t, "POST", "/v1/completions", `{"prompt":"x","n":2,"stream":true}`).Body.String()) {
			if d != "[DONE]" {
				c := decode[completionAnswer](t, d).Choices[0]
				texts[c.Index] += c.Text
			}
		}
		for i := range 2 {
			if got := *whole.Choices[i].Message.Content; got != want[i] || streamed[i] != want[i] || texts[i] != want[i] {
				rt.Fatalf("choice %d: whole %q, streamed %q, completion %q, want %q", i, got, streamed[i], texts[i], want[i])
			}
		}
	})
}

// TestStringsRoundTrip: what is appended is JSON, and it reads back as what encoding/json would write.
func TestStringsRoundTrip(t *testing.T) {
	check := func(in []byte) error {
		var got string
		if err := json.Unmarshal(appendString(nil, in), &got); err != nil {
			return err
		}
		ref, err := json.Marshal(string(in))
		if err != nil {
			return err
		}
		var want string
		if err := json.Unmarshal(ref, &want); err != nil {
			return err
		}
		if got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
		return nil
	}
	for _, in := range []string{"", "\x00\x1f\"\\\b\f\n\r\t\x7f", "<&>", "a\xffb\xc3", "\xe2\x82", "\ufffd", "\u2028é😀", "\xed\xa0\x80"} {
		if err := check([]byte(in)); err != nil {
			t.Errorf("%q: %v", in, err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		if err := check(rapid.SliceOf(rapid.Byte()).Draw(rt, "bytes")); err != nil {
			rt.Fatal(err)
		}
	})
}

// fuzzBody feeds a body to a decoder, which must not panic, and whose request must be one that core accepts or refuses.
func FuzzChatRequest(f *testing.F) {
	for _, seed := range []string{
		minimal, `{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}],"stop":["a"],"logit_bias":{"1":2},"stream":true,"stream_options":{"include_usage":true}}`,
		`{"messages":[{"role":"user","content":"\ud800"}],"tools":[{}],"n":1e3}`, `[`, `{"messages":[null]}`, `{"chat_template_kwargs":{"a":{}}}`,
	} {
		f.Add([]byte(seed))
	}
	tab := chatFields().Table()
	f.Fuzz(func(t *testing.T, body []byte) {
		var c chatRequest
		if api.Strict(body, &c) != nil {
			return
		}
		req, err := c.request(tab)
		if err != nil {
			return
		}
		if len(req.Messages) == 0 || req.Choices < 1 || req.MaxTokens < 0 {
			t.Fatalf("%s became %+v", body, req)
		}
		_ = req.Validate()
	})
}

func FuzzCompletionRequest(f *testing.F) {
	for _, seed := range []string{`{"prompt":"a"}`, `{"prompt":["a","b"],"n":2,"best_of":2}`, `{"prompt":[1,2]}`, `{"prompt":[[1],[2]],"logprobs":3}`, `{"prompt":[`, `{"prompt":[ ]}`, `{"prompt":[[null]]}`} {
		f.Add([]byte(seed))
	}
	tab := completionFields().Table()
	f.Fuzz(func(t *testing.T, body []byte) {
		var c completionRequest
		if api.Strict(body, &c) != nil {
			return
		}
		reqs, err := c.requests(tab)
		if err != nil {
			return
		}
		for _, r := range reqs {
			if (r.Prompt == "") == (len(r.Tokens) == 0) || r.MaxTokens < 1 {
				t.Fatalf("%s became %+v", body, r)
			}
		}
	})
}

func FuzzEmbeddingRequest(f *testing.F) {
	for _, seed := range []string{`{"input":"a"}`, `{"input":["a"],"encoding_format":"base64","dimensions":3}`, `{"input":[1]}`, `{"input":[[1]]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var e embeddingRequest
		if api.Strict(body, &e) != nil {
			return
		}
		if req, err := e.request(); err == nil && (len(req.Inputs) == 0 || req.Dimensions < 0) {
			t.Fatalf("%s became %+v", body, req)
		}
	})
}

// TestTokenCost holds the per-token path to its ceiling of allocations.
func TestTokenCost(t *testing.T) {
	form, chunk := &chatShape{}, head{id: "chatcmpl-x", created: time.Now().Unix(), model: "m", fingerprint: "fp"}.chunks(&chatShape{}, &common{})
	ev := core.Event{Text: " token"}
	size := 0
	emit := func(choice []byte) error {
		if size = len(chunk.wrap(choice)); size == 0 {
			return io.ErrShortWrite
		}
		return nil
	}
	_ = form.chunks(&ev, emit)
	if n := testing.AllocsPerRun(100, func() { _ = form.chunks(&ev, emit) }); n > 0 {
		t.Fatalf("%v allocations for a token", n)
	}
}

func BenchmarkTokenEvent(b *testing.B) {
	form, chunk := &chatShape{}, head{id: "chatcmpl-ABCDEFGHIJKLMNOPQRSTUVWXYZ", created: 1700000000, model: "smollm2:latest", fingerprint: "fp_0123456789"}.chunks(&chatShape{}, &common{})
	ev := core.Event{Text: " \"quoted\" é\n"}
	var sink strings.Builder
	emit := func(choice []byte) error {
		sink.Reset()
		_, err := sink.WriteString(string(chunk.wrap(choice)))
		return err
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := form.chunks(&ev, emit); err != nil {
			b.Fatal(err)
		}
	}
}
