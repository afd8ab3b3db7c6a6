package enginetest

import (
	"context"
	"flag"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/mock"
)

// broken makes this test binary run the suite over a runtime that breaks one law.
var broken = flag.String("broken", "", "which law the runtime breaks")

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func options(t *testing.T) Options {
	t.Helper()
	path := write(t, `{"format":"mock","context":256}`)
	return Options{
		Spec: engine.LoadSpec{Path: path}, Embedding: &engine.LoadSpec{Path: path, Embedding: true}, BadFile: write(t, "no model"), Control: "<|end|>",
		Skip: map[string]string{"a grammar is obeyed": "the mock follows no grammar"},
	}
}

func TestMockPasses(t *testing.T) {
	Run(t, func(*testing.T) engine.Runtime { return mock.New() }, options(t))
}

func TestGrammarCase(t *testing.T) {
	opt := options(t)
	opt.Text, opt.Grammar, opt.Matches = "x", `root ::= "yes"`, regexp.MustCompile(`^yes$`)
	opt.Spec.Options = map[string]string{"reply": "yes"}
	m := load(t, mock.New(), opt.Spec)
	defer shut(t, m)
	grammarObeyed(t, &suite{opt: opt, m: m})
}

func TestBroken(t *testing.T) {
	if *broken == "" {
		t.Skip("runs as a child of TestSuiteSeesWhatIsBroken")
	}
	Run(t, func(*testing.T) engine.Runtime { return breaking{mock.New(), *broken} }, options(t))
}

func TestSuiteSeesWhatIsBroken(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]string{
		"usage":         "usage_adds_up_and_max_tokens_is_exact",
		"no-usage":      "usage_adds_up_and_max_tokens_is_exact",
		"shared-seed":   "seeds_differ",
		"stop-shows":    "stop_strings_never_show",
		"not-utf8":      "greedy_text_repeats",
		"counter":       "greedy_text_repeats",
		"no-logprobs":   "logprobs_are_sane",
		"finish-twice":  "every_choice_finishes_once",
		"trusts":        "untrusted_control_tokens_are_text",
		"drops-bytes":   "tokens_become_their_text_again",
		"long-vectors":  "vectors_have_unit_length",
		"same-vectors":  "vectors_repeat_and_differ",
		"wrong-code":    "cancelled_in_its_text",
		"swallows-path": "a_missing_file_is_an_error",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			out, err := exec.CommandContext(t.Context(), self, "-test.run=^TestBroken$", "-broken="+kind).CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestBroken/"+want+" ") {
				t.Errorf("the suite does not fail in %q: %v\n%s", want, err, out)
			}
		})
	}
}

// breaking is the mock with one law broken.
type breaking struct {
	engine.Runtime
	kind string
}

func (b breaking) Load(ctx context.Context, spec engine.LoadSpec, progress func(float64)) (engine.Model, error) {
	if b.kind == "swallows-path" && strings.HasSuffix(spec.Path, "missing") {
		return nil, core.Errorf(core.CodeInternal, "Something went wrong.")
	}
	m, err := b.Runtime.Load(ctx, spec, progress)
	if err != nil {
		return nil, err
	}
	return &breakingModel{full: m.(full), kind: b.kind}, nil
}

// full is everything that the mock's models can do.
type full interface {
	engine.Model
	engine.Generator
	engine.Embedder
	engine.Tokenizer
	engine.Statter
	engine.Sharer
}

type breakingModel struct {
	full
	kind  string
	calls int
}

func (m *breakingModel) Generate(ctx context.Context, req engine.GenerateRequest) (iter.Seq2[core.Event, error], error) {
	switch m.kind {
	case "shared-seed":
		req.Sampling.Seed = 1
	case "stop-shows":
		req.Stop = nil
	case "no-logprobs":
		req.Logprobs = false
	case "counter":
		m.calls++
		req.Sampling.Temperature, req.Sampling.Seed = 2, int64(m.calls)
	}
	events, err := m.full.Generate(ctx, req)
	if err != nil {
		return nil, err
	}
	return func(yield func(core.Event, error) bool) {
		for ev, err := range events {
			if !m.pass(ev, err, yield) {
				return
			}
		}
	}, nil
}

// pass hands on one event, broken.
func (m *breakingModel) pass(ev core.Event, err error, yield func(core.Event, error) bool) bool {
	switch {
	case err != nil && m.kind == "wrong-code":
		err = core.Errorf(core.CodeInternal, "Something went wrong.")
	case ev.Usage != nil && m.kind == "no-usage":
		return true
	case ev.Usage != nil && m.kind == "usage":
		ev.Usage.Completion++
	case ev.Text != "" && m.kind == "not-utf8":
		ev.Text += "\xe2"
	case ev.Finish != "" && m.kind == "finish-twice":
		if !yield(ev, err) {
			return false
		}
	}
	return yield(ev, err)
}

func (m *breakingModel) Tokenize(ctx context.Context, p engine.Prompt) ([]int, error) {
	if m.kind == "trusts" {
		for i := range p.Segments {
			p.Segments[i].Trusted = true
		}
	}
	return m.full.Tokenize(ctx, p)
}

func (m *breakingModel) Detokenize(ctx context.Context, tokens []int) ([]byte, error) {
	out, err := m.full.Detokenize(ctx, tokens)
	if m.kind == "drops-bytes" && len(out) > 0 {
		out = out[1:]
	}
	return out, err
}

func (m *breakingModel) Embed(ctx context.Context, prompts []engine.Prompt) ([][]float32, core.Usage, error) {
	v, usage, err := m.full.Embed(ctx, prompts)
	for i := range v {
		switch m.kind {
		case "long-vectors":
			v[i][0] += 2
		case "same-vectors":
			v[i] = v[0]
		}
	}
	return v, usage, err
}
