package remote

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

const (
	chatPath  = "/v1/chat/completions"
	plainPath = "/v1/completions"
)

func TestAChatIsPassedOn(t *testing.T) {
	f := newFake(t)
	f.on(chatPath, stream(
		`{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}`,
		`{"choices":[{"index":0,"delta":{"reasoning_content":"Hm."}}]}`,
		hello, lo,
		`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"look","arguments":"{\"a\""}}]}}]}`,
		`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}`,
		`{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`, used, done))
	yes, warm, k := true, 0.5, 5
	req := chatRequest()
	req.MaxTokens, req.Stop, req.Sampling.Seed = 9, []string{"END"}, 4
	req.Asked = &engine.Asked{
		Messages: []core.Message{
			{Role: core.RoleSystem, Content: "Be brief"},
			{Role: core.RoleAssistant, Content: "x", Reasoning: "y", ToolCalls: []core.ToolCall{{ID: "c0", Name: "look", Arguments: "{}"}}},
			{Role: core.RoleTool, Content: "z", ToolCallID: "c0", Name: "look"},
		},
		Tools: []core.Tool{{Name: "look", Description: "d", Parameters: []byte(`{"type":"object"}`), Strict: true}}, ToolChoice: core.ToolChoice{Mode: core.ToolNamed, Name: "look", Single: true},
		Thinking: core.Thinking{Enabled: &yes, Effort: "low"}, Format: core.Format{Kind: core.FormatSchema, Source: `{"type":"object"}`},
		Sampling: core.Sampling{Temperature: &warm, TopK: &k}, TemplateArgs: map[string]any{"v": 1.0},
	}
	got := ask(t.Context(), t, f.model(), req)
	if got.err != nil || got.text != "Hello" || got.reasoning != "Hm." || got.finish != core.FinishTools {
		t.Errorf("the answer is %+v", got)
	}
	if d := cmp.Diff([]core.ToolDelta{{ID: "c1", Name: "look", Arguments: `{"a"`}, {Arguments: ":1}"}}, got.calls); d != "" {
		t.Error(d)
	}
	if got.usage == nil || got.usage.Prompt != 7 || got.usage.Completion != 2 || got.usage.Cached != 3 {
		t.Errorf("usage %+v", got.usage)
	}
	want := map[string]any{
		"model": "org/Big-1", "stream": true, "stream_options": map[string]any{"include_usage": true}, "max_tokens": 9.0, "stop": []any{"END"}, "seed": 4.0,
		"temperature": 0.5, "top_k": 5.0, "reasoning_effort": "low", "parallel_tool_calls": false, "chat_template_kwargs": map[string]any{"v": 1.0, "enable_thinking": true},
		"messages": []any{
			map[string]any{"role": "system", "content": "Be brief"},
			map[string]any{"role": "assistant", "content": "x", "reasoning_content": "y", "tool_calls": []any{
				map[string]any{"id": "c0", "type": "function", "function": map[string]any{"name": "look", "arguments": "{}"}},
			}},
			map[string]any{"role": "tool", "content": "z", "name": "look", "tool_call_id": "c0"},
		},
		"tools": []any{map[string]any{"type": "function", "function": map[string]any{
			"name": "look", "description": "d", "strict": true, "parameters": map[string]any{"type": "object"},
		}}},
		"tool_choice":     map[string]any{"type": "function", "function": map[string]any{"name": "look"}},
		"response_format": map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "answer", "strict": true, "schema": map[string]any{"type": "object"}}},
	}
	if d := cmp.Diff(want, f.last(chatPath)); d != "" {
		t.Errorf("the server was asked (-want +got):\n%s", d)
	}
}

func TestACompletionIsPassedOn(t *testing.T) {
	f := newFake(t)
	f.on(plainPath, stream(
		`{"choices":[{"index":0,"text":"one","logprobs":{"tokens":["one"],"token_logprobs":[-0.5],"top_logprobs":[{"two":-2,"one":-0.5}]}}]}`,
		`{"choices":[{"index":0,"text":"","finish_reason":"stop","stop_reason":"END"}]}`, done))
	m := f.model()
	req := engine.GenerateRequest{
		Choices: 1, Logprobs: true, TopLogprobs: 2, Prompt: engine.Prompt{Segments: []engine.Segment{{Text: "a"}, {Text: "b", Trusted: true}}},
		Sampling: engine.Sampling{Temperature: 0.7, TopP: 1, TypicalP: 1, RepeatPenalty: 1.5, RepeatLastN: 8, Seed: 3},
	}
	got := ask(t.Context(), t, m, req)
	if got.err != nil || got.text != "one" || got.finish != core.FinishStop || got.stop != "END" || got.usage.Completion != 1 || got.usage.Prompt < 1 {
		t.Errorf("the answer is %+v", got)
	}
	want := []core.Token{{ID: -1, Bytes: []byte("one"), Logprob: -0.5, Top: []core.Token{{ID: -1, Bytes: []byte("one"), Logprob: -0.5}, {ID: -1, Bytes: []byte("two"), Logprob: -2}}}}
	if d := cmp.Diff(want, got.tokens); d != "" {
		t.Error(d)
	}
	sent := map[string]any{
		"model": "org/Big-1", "stream": true, "stream_options": map[string]any{"include_usage": true}, "prompt": "ab", "logprobs": 2.0,
		"temperature": 0.7, "repetition_penalty": 1.5, "repeat_last_n": 8.0, "seed": 3.0,
	}
	if d := cmp.Diff(sent, f.last(plainPath)); d != "" {
		t.Errorf("the server was asked (-want +got):\n%s", d)
	}
	req.Prompt = engine.Prompt{Tokens: []int{5, 6}}
	ask(t.Context(), t, m, req)
	if d := cmp.Diff([]any{5.0, 6.0}, f.last(plainPath)["prompt"]); d != "" {
		t.Error(d)
	}
}

// A server that misbehaves before its first token is asked again, and told of in a sentence when that does not help.
func TestFaultsBeforeTheFirstToken(t *testing.T) {
	const garbage = "is not a stream of OpenAI's interface"
	for name, c := range map[string]struct {
		play  http.HandlerFunc
		kind  engine.FaultKind
		code  core.Code
		words string
		tries int
	}{
		"500":          {status(500, `{"error":{"message":"boom"}}`), engine.FaultFailed, core.CodeUnavailable, "status 500: boom", 3},
		"500, silent":  {status(500, ``), engine.FaultDown, core.CodeUnavailable, "status 500", 3},
		"502, no JSON": {status(502, "<html>bad gateway"), engine.FaultDown, core.CodeUnavailable, "status 502", 3},
		"429":          {status(429, `{"error":"slow down"}`, "Retry-After", "30"), engine.FaultBusy, core.CodeRateLimited, "takes no more", 1},
		"503 loading":  {status(503, `{"error":{"message":"Loading model"}}`), engine.FaultDown, core.CodeUnavailable, "not ready", 3},
		"503 busy":     {status(503, ``, "Retry-After", "60"), engine.FaultBusy, core.CodeUnavailable, "not ready", 1},
		"401":          {status(401, `{"error":{"message":"Incorrect API key provided: s3cret"}}`), engine.FaultDown, core.CodeUnavailable, "refuses this server's key", 3},
		"garbage":      {stream("pardon?"), engine.FaultDown, core.CodeUnavailable, garbage, 3},
		"wrong choice": {stream(`{"choices":[{"index":3,"delta":{"content":"x"}}]}`), engine.FaultDown, core.CodeUnavailable, garbage, 3},
		"huge line":    {stream(`{"choices":[{"index":0,"delta":{"content":"` + strings.Repeat("x", maxLine) + `"}}]}`), engine.FaultDown, core.CodeUnavailable, garbage, 3},
		"cut at once":  {cut(), engine.FaultDown, core.CodeUnavailable, "before it was whole", 3},
		"empty":        {stream(), engine.FaultDown, core.CodeUnavailable, "before it was whole", 3},
		"no finish":    {stream(done), engine.FaultDown, core.CodeUnavailable, "before it was whole", 3},
		"error inside": {stream(`{"error":{"message":"out of memory"}}`), engine.FaultFailed, core.CodeUnavailable, "before it was whole", 3},
		"hangs":        {hang(), engine.FaultHung, core.CodeUnavailable, "said nothing for", 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.on(chatPath, c.play)
			m := f.model(func(s *Server) {
				s.Key = func() (string, error) { return "s3cret", nil }
				if c.kind == engine.FaultHung {
					s.Timeout = time.Second
				}
			})
			got := ask(t.Context(), t, m, chatRequest())
			fault(t, got.err, c.kind, c.code, c.words, "box")
			if n := f.chats(); n != c.tries {
				t.Errorf("it was asked %d times, want %d", n, c.tries)
			}
			if got.err != nil && strings.Contains(got.err.Error(), "s3cret") {
				t.Errorf("the key is shown: %v", got.err)
			}
		})
	}
}

func TestAFaultIsGotOver(t *testing.T) {
	f := newFake(t)
	f.on(chatPath, status(500, ""), cut(), whole())
	got := ask(t.Context(), t, f.model(), chatRequest())
	if got.err != nil || got.text != "Hello" || f.chats() != 3 {
		t.Errorf("after %d tries: %+v", f.chats(), got)
	}
}

// What was begun is never done again: the client has seen some of it.
func TestFaultsAfterTheFirstToken(t *testing.T) {
	for name, play := range map[string]http.HandlerFunc{
		"cut": cut(hello), "garbage": stream(hello, "{"), "no end": stream(hello, done), "error": stream(hello, `{"error":"died"}`),
		"goes on after its finish": stream(hello, finish, lo, done), "hangs": hang(hello),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.on(chatPath, play)
			got := ask(t.Context(), t, f.model(func(s *Server) {
				if name == "hangs" {
					s.Timeout = time.Second
				}
			}), chatRequest())
			kind := engine.FaultBroken
			if name == "error" { // it says so itself, and the request may be why
				kind = engine.FaultStopped
			}
			fault(t, got.err, kind, core.CodeWorkerDied)
			if !strings.HasPrefix(got.text, "Hel") || f.chats() != 1 {
				t.Errorf("%q came, in %d tries", got.text, f.chats())
			}
		})
	}
}

func TestTheCallersOwnFaults(t *testing.T) {
	for body, want := range map[string]core.Code{
		`{"error":{"message":"This model's maximum context length is 10 tokens","type":"BadRequestError"}}`: core.CodeContextExceeded,
		`{"error":{"code":400,"type":"exceed_context_size_error","message":"too long"}}`:                    core.CodeContextExceeded,
		`{"detail":"temperature must be positive"}`:                                                         core.CodeInvalidRequest,
		`{"error":{"code":"unsupported","message":"no"}}`:                                                   core.CodeUnsupported,
	} {
		f := newFake(t)
		f.on(chatPath, status(400, body))
		got := ask(t.Context(), t, f.model(), chatRequest())
		if core.CodeOf(got.err) != want || f.chats() != 1 {
			t.Errorf("%s became %v after %d tries", body, got.err, f.chats())
		}
	}
}

func TestCancelReachesTheServer(t *testing.T) {
	f := newFake(t)
	gone := make(chan struct{})
	f.on(chatPath, func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		hang(hello)(w, r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events, err := f.model().(engine.Generator).Generate(ctx, chatRequest())
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range events {
		cancel()
		last = err
	}
	if core.CodeOf(last) != core.CodeCancelled {
		t.Errorf("the stream ended by %v", last)
	}
	<-gone
}

// A stream that is never ranged over is freed by its context.
func TestAnUnreadStreamIsFreed(t *testing.T) {
	f := newFake(t)
	f.on(chatPath, hang(hello))
	m := f.model(func(s *Server) { s.Concurrency = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := m.(engine.Generator).Generate(ctx, chatRequest()); err != nil {
		t.Fatal(err)
	}
	cancel()
	f.on(chatPath, whole())
	if got := ask(t.Context(), t, m, chatRequest()); got.err != nil { // the only place is free again
		t.Error(got.err)
	}
}

func TestEmbeddingsAndScores(t *testing.T) {
	f := newFake(t)
	m := load(t, open(t, f.server()), engine.LoadSpec{Path: Path("box", "small"), Embedding: true})
	f.on("/v1/embeddings", answer200(`{"data":[{"index":1,"embedding":[0,2]},{"index":0,"embedding":[3,4]}],"usage":{"prompt_tokens":5}}`))
	texts := []engine.Prompt{{Segments: []engine.Segment{{Text: "a"}}}, {Segments: []engine.Segment{{Text: "b"}}}}
	v, u, err := m.(engine.Embedder).Embed(t.Context(), texts)
	if err != nil || u.Prompt != 5 {
		t.Fatal(v, u, err)
	}
	if d := cmp.Diff([][]float32{{0.6, 0.8}, {0, 1}}, v); d != "" {
		t.Error(d)
	}
	f.on("/v1/rerank", answer200(`{"results":[{"index":1,"relevance_score":4},{"index":0,"relevance_score":-4}]}`))
	scores, u, err := m.(engine.Reranker).Rerank(t.Context(), "q", []string{"x", "y"})
	if err != nil || u.Prompt != 3 || !(0 <= scores[0] && scores[0] < scores[1] && scores[1] <= 1) {
		t.Error(scores, err)
	}
	f.on("/v1/embeddings", answer200(`{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[2]}]}`))
	if _, u, err := m.(engine.Embedder).Embed(t.Context(), texts); err != nil || u.Prompt != 2 {
		t.Errorf("%+v, %v; want an estimate where the server does not count", u, err)
	}
	for _, bad := range []string{`{"data":[]}`, `{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}`, `{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1,2]}]}`, `[]`} {
		f.on("/v1/embeddings", answer200(bad))
		_, _, err := m.(engine.Embedder).Embed(t.Context(), texts)
		fault(t, err, engine.FaultDown, core.CodeUnavailable)
	}
	f.on("/v1/rerank", answer200(`{"results":[{"index":9,"relevance_score":4}]}`))
	_, _, err = m.(engine.Reranker).Rerank(t.Context(), "q", []string{"x"})
	fault(t, err, engine.FaultDown, core.CodeUnavailable)
	if _, err := m.(engine.Generator).Generate(t.Context(), chatRequest()); core.CodeOf(err) != core.CodeUnsupported {
		t.Error(err)
	}
	if _, _, err := f.model().(engine.Embedder).Embed(t.Context(), texts); core.CodeOf(err) != core.CodeUnsupported {
		t.Error(err)
	}
}

func TestLoad(t *testing.T) {
	f := newFake(t)
	rt := open(t, f.server(func(s *Server) { s.Retries = -1 }))
	_, err := rt.Load(t.Context(), engine.LoadSpec{Path: Path("box", "huge")}, nil)
	if e := core.AsError(err); e == nil || e.Code != core.CodeBadModel || !strings.Contains(e.Message, "org/Big-1, small") {
		t.Error(err)
	}
	if _, err := rt.Load(t.Context(), engine.LoadSpec{Path: Path("nobody", "x")}, nil); core.CodeOf(err) != core.CodeNotFound {
		t.Error(err)
	}
	facts := load(t, rt, engine.LoadSpec{Path: Path("box", "org/Big-1")}).Facts()
	if facts.Context != 4096 || facts.Device != "remote:box" || rt.Device(engine.LoadSpec{Path: Path("box", "any/model")}) != facts.Device || facts.Sequences != 16 || facts.Memory.Total() != 0 {
		t.Errorf("%+v", facts)
	}
	if st := rt.Probe(t.Context()); !st.Ready || st.Device != "box (vllm, 2 models)" || st.Missing != "" {
		t.Errorf("%+v", st)
	}
	f.on("/v1/models", answer200(`{"models":1}`))
	_, err = rt.Load(t.Context(), engine.LoadSpec{Path: Path("box", "small")}, nil)
	fault(t, err, engine.FaultDown, core.CodeUnavailable, "lists its models in no form")
	f.http.Close()
	_, err = rt.Load(t.Context(), engine.LoadSpec{Path: Path("box", "small")}, nil)
	fault(t, err, engine.FaultDown, core.CodeUnavailable, "cannot be reached")
	if st := rt.Probe(t.Context()); st.Ready || st.Missing == "" {
		t.Errorf("%+v", st)
	}
	if st := open(t, Server{Name: "a", URL: "https://a.invalid/v1"}); st == nil {
		t.Error("a good address is refused")
	}
	for _, bad := range []string{"", "ftp://x/v1", "http://user:pw@x/v1", "http://x/v1?key=1", "x:80"} {
		if _, err := New([]Server{{Name: "a", URL: bad}}); core.CodeOf(err) != core.CodeInvalidRequest || strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestCheck(t *testing.T) {
	f := newFake(t)
	m := f.model(func(s *Server) { s.Retries = -1 }).(engine.Checker)
	if err := m.Check(t.Context()); err != nil {
		t.Error(err)
	}
	f.on("/v1/models", answer200(`{"data":[{"id":"other"}]}`))
	fault(t, m.Check(t.Context()), engine.FaultDown, core.CodeUnavailable, "any more")
	f.on("/v1/models", status(500, ""))
	fault(t, m.Check(t.Context()), engine.FaultDown, core.CodeUnavailable)
}

func TestTheKeyIsReadAnew(t *testing.T) {
	f := newFake(t)
	f.on(chatPath, whole())
	key := "one"
	var fails error
	m := f.model(func(s *Server) { s.Key = func() (string, error) { return key, fails } })
	key = "two\n"
	if got := ask(t.Context(), t, m, chatRequest()); got.err != nil {
		t.Error(got.err)
	}
	if d := cmp.Diff([]string{"Bearer one", "Bearer two"}, f.keys); d != "" {
		t.Error(d)
	}
	fails = errors.New("no such file")
	if got := ask(t.Context(), t, m, chatRequest()); core.CodeOf(got.err) != core.CodeUnavailable || !strings.Contains(got.err.Error(), "key_file") {
		t.Error(got.err)
	}
}

func TestFormats(t *testing.T) {
	for _, c := range []struct {
		kind   string
		format core.FormatKind
		field  string // that says it; empty: it is refused
	}{
		{KindVLLM, core.FormatRegex, "structured_outputs"},
		{KindVLLM, core.FormatGBNF, "structured_outputs"},
		{KindVLLM, core.FormatLark, ""},
		{KindVLLM, core.FormatJSON, "response_format"},
		{KindLlamaCpp, core.FormatRegex, ""},
		{KindLlamaCpp, core.FormatGBNF, "grammar"},
		{KindOpenAI, core.FormatRegex, ""},
		{KindOpenAI, core.FormatGBNF, ""},
	} {
		m := &model{s: &server{Server: Server{Name: "box"}}, kind: c.kind}
		f := fields{}
		err := m.format(f, core.Format{Kind: c.format, Source: "x"})
		if c.field == "" && core.CodeOf(err) != core.CodeUnsupported || c.field != "" && (err != nil || f[c.field] == nil) {
			t.Errorf("%s at %s: %v, %v", c.format, c.kind, f, err)
		}
	}
}

// A server that shows no tokens, or not to this one, is not at fault; one that fails is.
func TestTokensThatAreNotShown(t *testing.T) {
	f := newFake(t)
	for _, code := range []int{403, 404, 405, 401, 500, 503} {
		f.on("/tokenize", status(code, ""))
		f.on("/detokenize", status(code, ""))
		m := f.model(func(s *Server) { s.Kind = KindVLLM }).(engine.Tokenizer)
		_, err := m.Tokenize(t.Context(), engine.Prompt{Segments: []engine.Segment{{Text: "ab"}}})
		_, err2 := m.Detokenize(t.Context(), []int{1, 2})
		for _, err := range []error{err, err2} {
			switch code {
			case 403, 404, 405:
				if _, bad := errors.AsType[*engine.FaultError](err); bad || core.CodeOf(err) != core.CodeUnsupported {
					t.Errorf("%d: %v", code, err)
				}
			default:
				fault(t, err, engine.FaultDown, core.CodeUnavailable)
			}
		}
	}
}

func TestTokensOfEachKind(t *testing.T) {
	f := newFake(t)
	f.on("/tokenize", answer200(`{"tokens":[1,2]}`))
	f.on("/api/v1/tokenize", answer200(`{"tokens":[1,2]}`))
	f.on("/detokenize", answer200(`{"prompt":"ab"}`))
	f.on("/api/v1/detokenize", answer200(`{"text":"ab"}`))
	for kind, ok := range map[string]bool{KindVLLM: true, KindLlamaCpp: true, KindAshatai: true, KindOpenAI: false} {
		m := f.model(func(s *Server) { s.Kind = kind }).(engine.Tokenizer)
		ids, err := m.Tokenize(t.Context(), engine.Prompt{Segments: []engine.Segment{{Text: "ab"}}})
		text, err2 := m.Detokenize(t.Context(), []int{1, 2})
		if ok && (err != nil || err2 != nil || len(ids) != 2 || string(text) != "ab") || !ok && (core.CodeOf(err) != core.CodeUnsupported || core.CodeOf(err2) != core.CodeUnsupported) {
			t.Errorf("%s: %v %v %q %v", kind, ids, err, text, err2)
		}
	}
}

// TestOverflow: by how much a prompt does not fit is read out of the words of several servers.
func TestOverflow(t *testing.T) {
	for said, want := range map[string]*core.Overflow{
		"This model's maximum context length is 2048 tokens, of which 1 is kept for the answer. However, the prompt resulted in 2377 tokens. Shorten it.": {Prompt: 2377, Context: 2048, Answer: 1},
		"This model's maximum context length is 512 tokens. However, input 3 resulted in 600 tokens.":                                                     {Prompt: 600, Context: 512},
		"This model's maximum context length is 2048 tokens. However, you requested 2377 tokens (2361 in the messages, 16 in the completion).":            {Prompt: 2377, Context: 2048},
		"This model's maximum context length is 2048 tokens. However, your request has 2377 input tokens.":                                                {Prompt: 2377, Context: 2048},
		"This model's maximum context length is 2048 tokens. However, you requested 7 tokens.":                                                            nil,
		"the request exceeds the available context size":                                                                                                  nil,
	} {
		if got := overflow(said); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", said, got, want)
		}
	}
}
