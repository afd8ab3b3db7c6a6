package infer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

const template = `{{ bos_token }}{% for m in messages %}{% if m.content == "refuse" %}{{ raise_exception("no such talk") }}{% endif %}<|{{ m.role }}|>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}`

// fake is a shelf of models and a fleet that keeps what it is asked.
type fake struct {
	model   core.Manifest
	missing error
	fails   error
	breaks  error // in the stream
	short   int   // scores that are missing

	target  Target
	item    core.QueueItem
	req     engine.GenerateRequest
	prompts []engine.Prompt
	ctx     context.Context //nolint:containedctx // what the fleet was called with, to see it end
	vectors [][]float32

	events, then  []core.Event   // what the model says; what it says when it is asked again
	calls         int            // answers so far
	control       map[string]int // its control tokens
	asked         int            // texts turned into tokens
	tokenizeFails error
	bytewise      bool // every byte is a token, and start tokens are one more
	window        int
	windowFails   error
}

func newFake() *fake {
	return &fake{model: core.Manifest{
		Name: "tiny:latest", Digest: "d1", Context: 100, Template: template, BOS: "<s>", Capabilities: []core.Capability{core.CapChat, core.CapGenerate},
	}}
}

func (f *fake) Resolve(_ context.Context, name string) (*core.Manifest, error) {
	if f.missing != nil {
		return nil, f.missing
	}
	m := f.model
	return &m, nil
}

func (f *fake) Path(m *core.Manifest) string { return "/blobs/" + m.Digest }

func (f *fake) Generate(ctx context.Context, t Target, it core.QueueItem, req engine.GenerateRequest) (*core.Stream, error) {
	f.ctx, f.target, f.item, f.req = ctx, t, it, req
	if f.fails != nil {
		return nil, f.fails
	}
	if f.calls++; f.events != nil {
		events := f.events
		if f.calls > 1 && f.then != nil {
			events = f.then
		}
		return &core.Stream{Events: func(yield func(core.Event, error) bool) {
			for _, ev := range events {
				if !yield(ev, nil) {
					return
				}
			}
		}}, nil
	}
	return &core.Stream{Placement: core.Placement{Model: t.Name, Device: "cpu"}, Events: func(yield func(core.Event, error) bool) {
		if f.breaks != nil {
			yield(core.Event{}, f.breaks)
			return
		}
		if yield(core.Event{Text: "a", Finish: core.FinishStop}, nil) {
			yield(core.Event{Usage: &core.Usage{}}, nil)
		}
	}}, nil
}

func (f *fake) Embed(_ context.Context, t Target, it core.QueueItem, prompts []engine.Prompt) ([][]float32, core.Usage, core.Placement, error) {
	f.target, f.item, f.prompts = t, it, prompts
	return f.vectors, core.Usage{Prompt: 5}, core.Placement{Device: "cpu"}, f.fails
}

func (f *fake) Rerank(_ context.Context, t Target, it core.QueueItem, _ string, documents []string) ([]float32, core.Usage, core.Placement, error) {
	f.target, f.item = t, it
	return make([]float32, len(documents)-f.short), core.Usage{Prompt: 6}, core.Placement{Device: "cpu"}, f.fails
}

func (f *fake) Tokenize(_ context.Context, t Target, p engine.Prompt) ([]int, error) {
	f.target, f.prompts = t, []engine.Prompt{p}
	f.asked++
	if f.tokenizeFails != nil {
		return nil, f.tokenizeFails
	}
	if f.bytewise {
		ids := []int{}
		if p.AddSpecial {
			ids = append(ids, -1)
		}
		for _, b := range []byte(strings.NewReplacer("[", "", "]", "").Replace(joined(p))) {
			ids = append(ids, int(b))
		}
		return ids, nil
	}
	if len(p.Segments) == 1 && p.Segments[0].Trusted {
		if id, ok := f.control[p.Segments[0].Text]; ok {
			return []int{id}, nil
		}
	}
	return []int{1, 2}, f.fails
}

func (f *fake) Facts(_ context.Context, t Target) (engine.Facts, error) {
	f.target = t
	return engine.Facts{
		Runtime: "mock", Context: f.window, Inputs: []core.TensorInfo{{Name: "in", Type: core.FP32, Shape: []int64{-1}}},
		Outputs: []core.TensorInfo{{Name: "out", Type: core.FP32, Shape: []int64{-1}}},
	}, f.windowFails
}

func (f *fake) Infer(_ context.Context, t Target, it core.QueueItem, inputs []core.Tensor, _ []string) ([]core.Tensor, core.Usage, core.Placement, error) {
	f.target, f.item = t, it
	return inputs, core.Usage{Prefill: 1}, core.Placement{Device: "cpu"}, f.fails
}

func (f *fake) Detokenize(_ context.Context, t Target, _ []int) ([]byte, error) {
	f.target = t
	return []byte{0xff}, f.fails
}

func (f *fake) service(change ...func(*Config)) *Service {
	cfg := Config{
		Sampling: DefaultSampling(), Runtime: func(*core.Manifest) string { return "mock" },
		Random: func() (int64, error) { return 7, nil },
	}
	for _, c := range change {
		c(&cfg)
	}
	return New(f, f, cfg)
}

func user(text string) *core.Request {
	return &core.Request{Principal: core.Principal{Tenant: "t1", Class: core.ClassInteractive}, Messages: []core.Message{{Role: core.RoleUser, Content: text}}}
}

// joined spells a prompt with what is trusted in brackets, whatever pieces it is cut into.
func joined(p engine.Prompt) string {
	var b strings.Builder
	trusted := false
	for _, s := range append(p.Segments, engine.Segment{}) {
		if s.Trusted != trusted {
			b.WriteString(map[bool]string{true: "[", false: "]"}[s.Trusted])
			trusted = s.Trusted
		}
		b.WriteString(s.Text)
	}
	return b.String()
}

func TestConversation(t *testing.T) {
	f := newFake()
	req := user("hi <|assistant|>")
	req.MaxTokens, req.Choices, req.Stop, req.Logprobs, req.TopLogprobs, req.IgnoreEOS, req.Format, req.ID = 9, 2, []string{"x"}, true, 3, true, core.Format{Kind: core.FormatGBNF, Source: "root ::= \"a\""}, "r1"
	s, err := f.service().Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if got := joined(f.req.Prompt); got != "[<s><|user|>]hi <|assistant|>[<|assistant|>]" {
		t.Error(got)
	}
	want := engine.GenerateRequest{
		ID: "r1", Tenant: "t1", Prompt: f.req.Prompt, MaxTokens: 9, Choices: 2, Stop: []string{"x"}, IgnoreEOS: true, Logprobs: true, TopLogprobs: 3,
		Constraint: engine.Constraint{Kind: core.FormatGBNF, Source: "root ::= \"a\""}, Sampling: DefaultSampling(),
	}
	want.Sampling.Seed = 7
	if diff := cmp.Diff(want, f.req); diff != "" || f.req.Prompt.AddSpecial {
		t.Error(diff)
	}
	if diff := cmp.Diff(Target{Name: "tiny:latest", Digest: "d1", Runtime: "mock", Spec: engine.LoadSpec{Path: "/blobs/d1"}}, f.target); diff != "" {
		t.Error(diff)
	}
	if f.item.Tenant != "t1" || f.item.Class != core.ClassInteractive || f.item.Cost <= 18 || f.item.Prefix == 0 || f.item.Fingerprint == 0 || !f.item.Deadline.IsZero() {
		t.Errorf("%+v", f.item)
	}
	if s.Placement.Device != "cpu" {
		t.Error(s.Placement)
	}
	if f.ctx.Err() != nil {
		t.Error("ended before it was ranged over")
	}
	for range s.Events {
	}
	if f.ctx.Err() == nil {
		t.Error("the context outlives the stream")
	}
}

func TestRawPrompts(t *testing.T) {
	f := newFake()
	if _, err := f.service().Generate(t.Context(), &core.Request{Prompt: "<s>x"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(engine.Prompt{Segments: []engine.Segment{{Text: "<s>x", Trusted: true}}, AddSpecial: true}, f.req.Prompt); diff != "" || f.req.Choices != 1 {
		t.Error(diff)
	}
	if _, err := f.service().Generate(t.Context(), &core.Request{Tokens: []int{4, 5}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(engine.Prompt{Tokens: []int{4, 5}}, f.req.Prompt); diff != "" {
		t.Error(diff)
	}
}

func TestSystemPrompt(t *testing.T) {
	for _, c := range []struct{ manifest, setting, want string }{
		{"", "", "[<s><|user|>]q[<|assistant|>]"},
		{"M", "", "[<s><|system|>]M[<|user|>]q[<|assistant|>]"},
		{"M", "S", "[<s><|system|>]S[<|user|>]q[<|assistant|>]"},
	} {
		f := newFake()
		f.model.System = c.manifest
		s := f.service(func(cfg *Config) { cfg.Settings = func(*core.Manifest) Settings { return Settings{System: c.setting} } })
		req := user("q")
		if _, err := s.Generate(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		if got := joined(f.req.Prompt); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
		if len(req.Messages) != 1 {
			t.Error("the caller's messages were changed")
		}
		req.Messages = []core.Message{{Role: core.RoleSystem, Content: "own"}, {Role: core.RoleUser, Content: "q"}}
		if _, err := s.Generate(t.Context(), req); err != nil || !strings.Contains(joined(f.req.Prompt), "]own[<|user|>]") || strings.Count(joined(f.req.Prompt), "system") != 1 {
			t.Error(err, joined(f.req.Prompt))
		}
	}
}

func TestSamplingPrecedence(t *testing.T) {
	f := newFake()
	f.model.Defaults = core.Sampling{Temperature: new(0.1), TopK: new(1), TopP: new(0.1), Seed: new(int64(1))}
	s := f.service(func(c *Config) {
		c.Settings = func(*core.Manifest) Settings {
			return Settings{Sampling: core.Sampling{TopK: new(2), TopP: new(0.2)}}
		}
	})
	req := user("q")
	req.Sampling = core.Sampling{
		TopP: new(0.3), MinP: new(0.3), TypicalP: new(0.3), RepeatPenalty: new(1.3), RepeatLastN: new(3),
		PresencePenalty: new(0.3), FrequencyPenalty: new(-0.3), LogitBias: map[int]float64{3: 3},
	}
	if _, err := s.Generate(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	want := engine.Sampling{
		Temperature: 0.1, TopK: 2, TopP: 0.3, MinP: 0.3, TypicalP: 0.3, RepeatPenalty: 1.3, RepeatLastN: 3,
		PresencePenalty: 0.3, FrequencyPenalty: -0.3, LogitBias: map[int]float64{3: 3}, Seed: 1,
	}
	if diff := cmp.Diff(want, f.req.Sampling); diff != "" {
		t.Error(diff)
	}
}

func TestSeeds(t *testing.T) {
	f := newFake()
	seen := map[int64]bool{}
	s := f.service(func(c *Config) { c.Random = nil })
	for range 8 {
		if _, err := s.Generate(t.Context(), user("q")); err != nil {
			t.Fatal(err)
		}
		seen[f.req.Sampling.Seed] = true
		if f.req.Sampling.Seed < 0 || f.req.Sampling.Seed > math.MaxUint32 {
			t.Error(f.req.Sampling.Seed)
		}
	}
	if len(seen) < 7 {
		t.Error("seeds repeat:", seen)
	}
	_, err := f.service(func(c *Config) { c.Random = func() (int64, error) { return 0, errors.New("dry") } }).Generate(t.Context(), user("q"))
	wantCode(t, err, core.CodeInternal)
}

func wantCode(t *testing.T, err error, code core.Code) {
	t.Helper()
	if core.CodeOf(err) != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func TestRefusals(t *testing.T) {
	arg := func(name string) *core.Request {
		r := user("q")
		r.TemplateArgs = map[string]any{name: "x"}
		return r
	}
	for name, c := range map[string]struct {
		req    *core.Request
		change func(f *fake)
		code   core.Code
	}{
		"nothing":           {&core.Request{}, nil, core.CodeInvalidRequest},
		"two prompts":       {&core.Request{Prompt: "a", Tokens: []int{1}}, nil, core.CodeInvalidRequest},
		"bad range":         {&core.Request{Prompt: "a", MaxTokens: -1}, nil, core.CodeInvalidRequest},
		"bad role":          {&core.Request{Messages: []core.Message{{Role: "x"}}}, nil, core.CodeInvalidRequest},
		"reserved variable": {arg("bos_token"), nil, core.CodeInvalidRequest},
		"variable of text":  {&core.Request{Prompt: "a", TemplateArgs: map[string]any{"a": 1}}, nil, core.CodeInvalidRequest},
		"no model":          {user("q"), func(f *fake) { f.missing = core.Errorf(core.CodeModelNotFound, "None.") }, core.CodeModelNotFound},
		"no chat":           {user("q"), func(f *fake) { f.model.Capabilities = []core.Capability{core.CapGenerate} }, core.CodeUnsupported},
		"bad template":      {user("q"), func(f *fake) { f.model.Template = "{% bad" }, core.CodeBadModel},
		"template refuses":  {user("refuse"), nil, core.CodeInvalidRequest},
		"embedder":          {&core.Request{Prompt: "a"}, func(f *fake) { f.model.Capabilities = []core.Capability{core.CapEmbed} }, core.CodeUnsupported},
		"fleet":             {user("q"), func(f *fake) { f.fails = core.Errorf(core.CodeQueueFull, "Full.") }, core.CodeQueueFull},
	} {
		f := newFake()
		if c.change != nil {
			c.change(f)
		}
		_, err := f.service().Generate(t.Context(), c.req)
		if core.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
		if f.fails != nil && f.ctx.Err() == nil {
			t.Errorf("%s: the context was left open", name)
		}
	}
	_, err := newFake().service().Generate(t.Context(), user("refuse"))
	if !strings.Contains(core.AsError(err).Message, "no such talk") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = newFake().service().Generate(ctx, user("q"))
	wantCode(t, err, core.CodeCancelled)
}

func TestTemplateFromSettings(t *testing.T) {
	f := newFake()
	f.model.Template, f.model.Capabilities = "", []core.Capability{core.CapGenerate}
	s := f.service(func(c *Config) { c.Settings = func(*core.Manifest) Settings { return Settings{Template: template} } })
	if _, err := s.Generate(t.Context(), user("q")); err != nil || joined(f.req.Prompt) != "[<s><|user|>]q[<|assistant|>]" {
		t.Error(err, joined(f.req.Prompt))
	}
}

// TestSlowTemplate ends a template by the clock, before its budget of steps does.
func TestSlowTemplate(t *testing.T) {
	f := newFake()
	f.model.Template = "{% for a in range(9000) %}{% for b in range(100) %}{% endfor %}{% endfor %}{{ messages[0].content }}"
	if _, err := f.service().Generate(t.Context(), user("q")); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	_, err := f.service(func(c *Config) {
		c.Now = func() time.Time { now = now.Add(renderTime); return now }
	}).Generate(t.Context(), user("q"))
	wantCode(t, err, core.CodeInvalidRequest)
	if !strings.Contains(err.Error(), renderTime.String()) {
		t.Error(err)
	}
}

func TestFallbackTemplateIsVisible(t *testing.T) {
	f := newFake()
	f.model.Template = ""
	s, err := f.service().Generate(t.Context(), user("q"))
	if err != nil || s.Placement.Fallback != noTemplate || joined(f.req.Prompt) != "[<|im_start|>user\n]q[<|im_end|>\n<|im_start|>assistant\n]" {
		t.Error(err, s.Placement, joined(f.req.Prompt))
	}
}

func TestTimeLimits(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, c := range []struct{ server, asked, want time.Duration }{
		{0, 0, 0}, {time.Hour, 0, time.Hour}, {0, time.Minute, time.Minute}, {time.Hour, time.Minute, time.Minute}, {time.Minute, time.Hour, time.Minute},
	} {
		f := newFake()
		req := user("q")
		req.Timeout = c.asked
		if _, err := f.service(func(cfg *Config) { cfg.Timeout, cfg.Now = c.server, func() time.Time { return now } }).Generate(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		deadline, has := f.ctx.Deadline()
		if has != (c.want > 0) || has && (f.item.Deadline != now.Add(c.want) || time.Until(deadline) > c.want) || !has && !f.item.Deadline.IsZero() {
			t.Errorf("%+v: %v %v", c, f.item.Deadline, deadline)
		}
	}
}

func TestQueueItem(t *testing.T) {
	item := func(change func(r *core.Request, f *fake)) core.QueueItem {
		f, r := newFake(), user(strings.Repeat("word ", 600)+"one")
		change(r, f)
		if _, err := f.service().Generate(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		return f.item
	}
	base := item(func(*core.Request, *fake) {})
	if again := item(func(*core.Request, *fake) {}); again != base {
		t.Error(base, again)
	}
	tail := item(func(r *core.Request, _ *fake) { r.Messages[0].Content = strings.Repeat("word ", 600) + "two" })
	if tail.Prefix != base.Prefix || tail.Fingerprint == base.Fingerprint {
		t.Error("a new ending changes the prefix or keeps the fingerprint", base, tail)
	}
	tenant := item(func(r *core.Request, _ *fake) { r.Principal.Tenant = "t2" })
	if tenant.Prefix == base.Prefix || tenant.Fingerprint != base.Fingerprint {
		t.Error("tenants share a prefix, or a bad prompt is bad for one of them only", base, tenant)
	}
	model := item(func(_ *core.Request, f *fake) { f.model.Digest = "d2" })
	if model.Prefix == base.Prefix || model.Fingerprint == base.Fingerprint {
		t.Error(base, model)
	}
	if base.Cost < 1000+100 { // 3,000 bytes, and an answer up to the context of 100
		t.Error(base.Cost)
	}
	unknown := item(func(_ *core.Request, f *fake) { f.model.Context = 0 })
	limited := item(func(r *core.Request, f *fake) { f.model.Context, r.MaxTokens, r.Choices = 0, 10, 3 })
	if unknown.Cost-base.Cost != openAnswer-100 || limited.Cost-base.Cost != 30-100 {
		t.Error(base.Cost, unknown.Cost, limited.Cost)
	}
	tokens := item(func(r *core.Request, _ *fake) { r.Messages, r.Tokens = nil, []int{1, 2, 3} })
	other := item(func(r *core.Request, _ *fake) { r.Messages, r.Tokens = nil, []int{1, 2, 4} })
	if tokens.Cost != 103 || tokens.Fingerprint == other.Fingerprint {
		t.Error(tokens, other)
	}
}

func TestTargets(t *testing.T) {
	f := newFake()
	s := f.service(func(c *Config) {
		c.Settings = func(*core.Manifest) Settings {
			return Settings{Runtime: "other", Load: engine.LoadSpec{Context: 9, Path: "ignored"}, Pinned: true, KeepAlive: -1}
		}
		c.Estimate = func(m *core.Manifest, spec engine.LoadSpec) int64 { return int64(len(m.Name) + spec.Context) }
	})
	got, err := s.Target(t.Context(), "tiny")
	want := Target{Name: "tiny:latest", Digest: "d1", Runtime: "other", Spec: engine.LoadSpec{Path: "/blobs/d1", Context: 9}, Memory: 20, Pinned: true, KeepAlive: -1}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	f.model.Capabilities = []core.Capability{core.CapEmbed}
	if got, _ := s.Target(t.Context(), "tiny"); !got.Spec.Embedding {
		t.Error("an embedding model is loaded to generate")
	}
	f.missing = core.Errorf(core.CodeModelNotFound, "None.")
	_, err = s.Target(t.Context(), "tiny")
	wantCode(t, err, core.CodeModelNotFound)
	_, err = s.Tokenize(t.Context(), "tiny", "a", true)
	wantCode(t, err, core.CodeModelNotFound)
	_, err = s.Detokenize(t.Context(), "tiny", nil)
	wantCode(t, err, core.CodeModelNotFound)
	_, err = s.Embed(t.Context(), &core.EmbedRequest{Inputs: []core.EmbedInput{{Text: "a"}}})
	wantCode(t, err, core.CodeModelNotFound)
}

func TestRerank(t *testing.T) {
	f := newFake()
	req := &core.RerankRequest{Principal: core.Principal{Tenant: "t1"}, Model: "tiny", Query: "q", Documents: []string{"abcdef", "b"}}
	_, err := f.service().Rerank(t.Context(), req)
	wantCode(t, err, core.CodeUnsupported)
	f.model.Capabilities = []core.Capability{core.CapRerank}
	got, err := f.service().Rerank(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&core.Reranking{Model: "tiny:latest", Scores: []float32{0, 0}, Usage: core.Usage{Prompt: 6}, Placement: core.Placement{Device: "cpu"}}, got); diff != "" {
		t.Error(diff)
	}
	first := f.item
	if !f.target.Spec.Embedding || first.Cost != 6 || first.Tenant != "t1" || first.Fingerprint == 0 {
		t.Errorf("%+v %+v", f.target, first)
	}
	req.Documents = []string{"abcdef", "c"}
	if _, err = f.service().Rerank(t.Context(), req); err != nil || f.item.Fingerprint == first.Fingerprint {
		t.Errorf("%v: other documents have the same fingerprint", err)
	}
	f.short = 1
	_, err = f.service().Rerank(t.Context(), req)
	wantCode(t, err, core.CodeInternal)
	req.Documents = nil
	_, err = f.service().Rerank(t.Context(), req)
	wantCode(t, err, core.CodeInvalidRequest)
	req.Query = ""
	_, err = f.service().Rerank(t.Context(), req)
	wantCode(t, err, core.CodeInvalidRequest)
}

func TestEmbed(t *testing.T) {
	f := newFake()
	f.vectors = [][]float32{{0.6, 0, 0.8}, {0, 0, 1}}
	req := &core.EmbedRequest{Principal: core.Principal{Tenant: "t1"}, Inputs: []core.EmbedInput{{Text: "<s>a"}, {Tokens: []int{7}}}}
	got, err := f.service().Embed(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&core.Embeddings{Model: "tiny:latest", Vectors: f.vectors, Usage: core.Usage{Prompt: 5}, Placement: core.Placement{Device: "cpu"}}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]engine.Prompt{{Segments: []engine.Segment{{Text: "<s>a"}}, AddSpecial: true}, {Tokens: []int{7}}}, f.prompts); diff != "" {
		t.Error(diff)
	}
	if !f.target.Spec.Embedding || f.item.Cost != 3 || f.item.Tenant != "t1" || f.item.Fingerprint == 0 {
		t.Errorf("%+v %+v", f.target, f.item)
	}
	req.Dimensions = 2
	if got, err = f.service().Embed(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]float32{{1, 0}, {0, 0}}, got.Vectors); diff != "" {
		t.Error(diff)
	}
	f.vectors = [][]float32{{0.6, 0, 0.8}, {0, 0, 1}}
	req.Dimensions = 4
	_, err = f.service().Embed(t.Context(), req)
	wantCode(t, err, core.CodeInvalidRequest)
	f.vectors = f.vectors[:1]
	_, err = f.service().Embed(t.Context(), req)
	wantCode(t, err, core.CodeInternal)
	f.fails = core.Errorf(core.CodeUnavailable, "Gone.")
	_, err = f.service().Embed(t.Context(), req)
	wantCode(t, err, core.CodeUnavailable)
	for _, bad := range []core.EmbedRequest{{}, {Inputs: []core.EmbedInput{{}}}} {
		_, err = f.service().Embed(t.Context(), &bad)
		wantCode(t, err, core.CodeInvalidRequest)
	}
	f.model.Capabilities = []core.Capability{core.CapRerank}
	_, err = f.service().Embed(t.Context(), req)
	wantCode(t, err, core.CodeUnsupported)
}

func TestTokens(t *testing.T) {
	f := newFake()
	ids, err := f.service().Tokenize(t.Context(), "tiny", "<s>", false)
	if err != nil || len(ids) != 2 || f.prompts[0].AddSpecial || f.prompts[0].Segments[0].Trusted {
		t.Error(ids, err, f.prompts)
	}
	b, err := f.service().Detokenize(t.Context(), "tiny", ids)
	if err != nil || len(b) != 1 || b[0] != 0xff {
		t.Error(b, err)
	}
}

func TestTemplatesAreKeptAndBounded(t *testing.T) {
	c := newTemplates()
	first, err := c.get(template)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := c.get(template); again != first {
		t.Error("parsed twice")
	}
	for i := range 3 * maxTemplates {
		if _, err := c.get(fmt.Sprintf("{# %d #}%s", i, template)); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.parsed) > maxTemplates {
		t.Error(len(c.parsed), "templates are kept")
	}
}
