package llamacpp

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/guide"
	"ashatai/internal/engine/llamacpp/layout"
)

type namedSchema struct {
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
}

func schemas(t *testing.T) []namedSchema {
	t.Helper()
	if os.Getenv("ASHATAI_TEST_LLG") == "" {
		t.Skip("ASHATAI_TEST_LLG is not set; make test sets it")
	}
	b, err := os.ReadFile("guide/testdata/schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []namedSchema
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func constrained(prompt string, c engine.Constraint, tokens int) engine.GenerateRequest {
	req := greedy(prompt, tokens)
	req.Constraint, req.IgnoreEOS = c, false
	return req
}

// ending reads a whole stream and says how it ended.
func ending(t *testing.T, m *model, req engine.GenerateRequest) (text string, why core.FinishReason, usage core.Usage) {
	t.Helper()
	events, err := m.Generate(t.Context(), req)
	if err != nil {
		t.Error(err)
		return "", "", usage
	}
	var b strings.Builder
	for e, err := range events {
		if err != nil {
			t.Error(err)
			return b.String(), why, usage
		}
		b.WriteString(e.Text)
		if e.Finish != "" {
			why = e.Finish
		}
		if e.Usage != nil {
			usage = *e.Usage
		}
	}
	return b.String(), why, usage
}

func valid(t *testing.T, source json.RawMessage, text string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(source)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("s.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("s.json")
	if err != nil {
		t.Fatal(err)
	}
	x, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(x)
}

// TestCompletedAnswersAreValid has the default model answer under schemas at a temperature at which it talks nonsense.
func TestCompletedAnswersAreValid(t *testing.T) {
	list := schemas(t)
	every, limit := 10, 256
	if os.Getenv("ASHATAI_TEST_SOAK") != "" {
		every, limit = 1, 512
	}
	m := open(t, engine.LoadSpec{Path: realModel(t), Context: 1024, Sequences: 4, Batch: 256})
	var mu sync.Mutex
	asked, complete, generated := 0, 0, 0
	var wg sync.WaitGroup
	next := make(chan namedSchema)
	for range 4 {
		wg.Go(func() {
			for s := range next {
				req := constrained("<|im_start|>user\nInvent an example.<|im_end|>\n<|im_start|>assistant\n", engine.Constraint{Kind: core.FormatSchema, Source: string(s.Schema)}, limit)
				req.Prompt.Segments[0].Trusted, req.Sampling.Temperature, req.Sampling.Seed = true, 1.5, 7
				text, why, usage := ending(t, m, req)
				mu.Lock()
				asked, generated = asked+1, generated+usage.Completion
				if why == core.FinishStop {
					complete++
					if err := valid(t, s.Schema, text); err != nil {
						t.Errorf("%s: %s\n%v", s.Name, text, err)
					}
				} else {
					t.Logf("%s: cut off: %.100s", s.Name, text)
				}
				mu.Unlock()
			}
		})
	}
	for i, s := range list {
		if i%every == 0 {
			next <- s
		}
	}
	close(next)
	wg.Wait()
	t.Logf("%d of %d answers are complete within %d tokens; %d tokens", complete, asked, limit, generated)
	if complete*10 < asked*9 && every == 1 {
		t.Errorf("only %d of %d answers are complete", complete, asked)
	}
}

func TestConstraintsOfEachKind(t *testing.T) {
	schemas(t)
	m := open(t, engine.LoadSpec{Path: realModel(t), Context: 512, Sequences: 2, Batch: 128})
	for _, c := range []struct {
		what engine.Constraint
		want string
	}{
		{engine.Constraint{Kind: core.FormatRegex, Source: "forty-two exactly"}, "forty-two exactly"},
		{engine.Constraint{Kind: core.FormatLark, Source: `start: "<" %json {"const":{"a":[1,2]}} ">"`}, `<{"a": [1, 2]}>`},
		{engine.Constraint{Kind: core.FormatSchema, Source: `{"const":"x"}`}, `"x"`},
	} {
		for _, logprobs := range []bool{false, true} {
			req := constrained("Hello", c.what, 50)
			req.Logprobs = logprobs
			if text, why, usage := ending(t, m, req); text != c.want || why != core.FinishStop || usage.Completion == 0 {
				t.Errorf("%v: %q, %s, %d tokens", c.what, text, why, usage.Completion)
			}
		}
	}
	req := constrained("Hello", engine.Constraint{Kind: core.FormatRegex, Source: "forty-two exactly"}, 3)
	if text, why, usage := ending(t, m, req); why != core.FinishLength || usage.Completion != 3 || !strings.HasPrefix("forty-two exactly", text) {
		t.Errorf("cut off: %q, %s, %d tokens", text, why, usage.Completion)
	}
	req = constrained("Hello", engine.Constraint{Kind: core.FormatRegex, Source: "forty-two exactly"}, 50)
	req.Stop, req.Choices = []string{"two"}, 3
	events, err := m.Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	texts := make([]string, 3)
	for e, err := range events {
		if err != nil {
			t.Fatal(err)
		}
		texts[e.Choice] += e.Text
	}
	for _, s := range texts {
		if s != "forty-" {
			t.Errorf("a stop string inside forced text, and several choices: %q", texts)
		}
	}
}

func TestConstraintsThatCannotBeEnforced(t *testing.T) {
	schemas(t)
	m := open(t, engine.LoadSpec{Path: realModel(t), Context: 512, Sequences: 1, Batch: 128})
	for _, c := range []engine.Constraint{
		{Kind: core.FormatSchema, Source: `{"not":{}}`}, {Kind: core.FormatSchema, Source: `{`}, {Kind: core.FormatRegex, Source: "("}, {Kind: core.FormatLark, Source: "x"},
	} {
		if _, err := m.Generate(t.Context(), constrained("Hello", c, 5)); core.CodeOf(err) != core.CodeInvalidRequest || core.AsError(err).Param == "" {
			t.Errorf("%v: %v", c, err)
		}
	}
	without := openWith(t, withoutGuides(t), engine.LoadSpec{Path: realModel(t), Context: 512, Sequences: 1, Batch: 128})
	if _, err := without.Generate(t.Context(), constrained("Hello", engine.Constraint{Kind: core.FormatJSON}, 5)); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("%v", err)
	}
	if text, _, _ := ending(t, without, greedy("Hello", 5)); text == "" {
		t.Error("a request without a constraint does not work where the library is missing")
	}
	// A caller who goes away in the middle leaves nothing behind; the model's close would wait otherwise.
	ctx, cancel := context.WithCancel(t.Context())
	events, err := m.Generate(ctx, constrained("Hello", engine.Constraint{Kind: core.FormatJSON}, 200))
	if err != nil {
		t.Fatal(err)
	}
	for range events {
		cancel()
	}
	cancel()
}

// everyday are ten of the schemas, of the kinds that people use most.
func everyday(t *testing.T) []namedSchema {
	t.Helper()
	names := []string{
		"flat object", "person", "calendar event", "weather tool", "classification", "sentiment", "address", "coordinates", "book", "yes or no with reason",
	}
	list := slices.DeleteFunc(schemas(t), func(s namedSchema) bool { return !slices.Contains(names, s.Name) })
	if len(list) != len(names) {
		t.Fatalf("%d of the everyday schemas are there", len(list))
	}
	return list
}

// TestForcedTextIsFaster compares the calls that ten everyday schemas take with and without forced text. What a call takes
// depends on the machine; that several rows of one call cost less than as many calls does not, and make bench has the time.
func TestForcedTextIsFaster(t *testing.T) {
	m := open(t, with(t, engine.LoadSpec{Path: realModel(t), Context: 1024, Sequences: 1, Batch: 256}, map[string]string{layout.OptSpeculate: "false"}))
	var calls, tokens [2]int
	for _, s := range everyday(t) {
		for i, logprobs := range []bool{true, false} { // with logprobs nothing is forced
			req := constrained("<|im_start|>user\nInvent an example.<|im_end|>\n<|im_start|>assistant\n", engine.Constraint{Kind: core.FormatSchema, Source: string(s.Schema)}, 200)
			req.Prompt.Segments[0].Trusted, req.Logprobs = true, logprobs
			before := figures(t, m).Steps
			_, _, usage := ending(t, m, req)
			calls[i] += int(figures(t, m).Steps - before)
			tokens[i] += usage.Completion
		}
	}
	t.Logf("%d tokens in %d calls; with forced text %d in %d", tokens[0], calls[0], tokens[1], calls[1])
	if calls[0] < tokens[0] {
		t.Error("several tokens came from a call though nothing was forced")
	}
	if 4*calls[1] > 3*tokens[1] {
		t.Error("forced text saves less than a quarter of the calls")
	}
}

// TestCertainBytesAreDrafted: where a schema leaves only the division into tokens open, as after a property's name, the token is
// checked in the call of the forced text before it. That saves calls and changes nothing.
func TestCertainBytesAreDrafted(t *testing.T) {
	var calls [2]int
	var texts [2]string
	var accepted uint64
	for i, speculate := range []string{"false", "true"} {
		m := open(t, with(t, engine.LoadSpec{Path: realModel(t), Context: 1024, Sequences: 1, Batch: 256}, map[string]string{layout.OptSpeculate: speculate}))
		before := figures(t, m)
		for _, s := range everyday(t) {
			req := constrained("<|im_start|>user\nInvent an example.<|im_end|>\n<|im_start|>assistant\n", engine.Constraint{Kind: core.FormatSchema, Source: string(s.Schema)}, 60)
			req.Prompt.Segments[0].Trusted = true
			text, _, _ := ending(t, m, req)
			texts[i] += text + "\n"
		}
		after := figures(t, m)
		calls[i], accepted = int(after.Steps-before.Steps), after.Accepted-before.Accepted
	}
	t.Logf("%d calls, with drafts %d; %d drafted tokens were accepted", calls[0], calls[1], accepted)
	if texts[0] != texts[1] {
		t.Errorf("with drafts\n%s\nwithout\n%s", texts[1], texts[0])
	}
	if calls[1] > calls[0]-10 || accepted < 10 { // one for each of the schemas, at the least
		t.Error("certain bytes are not drafted")
	}
}

// TestDraftsUnderAConstraint lets the default model copy records whose frame a schema forces, with drafts and without: the
// text is the same, and drafts of the values behind the forced frame are accepted.
func TestDraftsUnderAConstraint(t *testing.T) {
	schemas(t)
	const record = `{"town": "Greater Olmstead by the northern river", "kind": "harbour"}`
	const law = `{"type":"array","minItems":8,"maxItems":8,"items":{"type":"object","properties":{"town":{"type":"string","maxLength":60},"kind":{"enum":["city","harbour","village"]}},"required":["town","kind"],"additionalProperties":false}}`
	run := func(speculate string, limit int) (string, core.FinishReason, engine.Stats) {
		m := open(t, with(t, engine.LoadSpec{Path: realModel(t), Context: 1024, Sequences: 2, Batch: 256}, map[string]string{layout.OptSpeculate: speculate}))
		text, why, _ := ending(t, m, constrained("["+strings.Repeat(record+", ", 7)+record+"]\n", engine.Constraint{Kind: core.FormatSchema, Source: law}, limit))
		return text, why, figures(t, m)
	}
	for _, limit := range []int{400, 77} {
		plain, why, s := run("false", limit)
		if s.Drafted != 0 {
			t.Errorf("%d tokens were drafted with drafts switched off", s.Drafted)
		}
		drafted, whyDrafted, s := run("true", limit)
		if drafted != plain || whyDrafted != why {
			t.Errorf("with drafts %q (%s), without %q (%s)", drafted, whyDrafted, plain, why)
		}
		if whole := why == core.FinishStop; whole != (limit == 400) || whole && valid(t, json.RawMessage(law), plain) != nil {
			t.Errorf("%d tokens: %s: %s", limit, why, plain)
		}
		if s.Accepted == 0 && whyDrafted == core.FinishStop { // those of certain bytes at the least; of the others costs decide
			t.Errorf("%d of %d drafted tokens were accepted; the records repeat", s.Accepted, s.Drafted)
		}
	}
}

// withoutGuides is the runtime on a machine that lacks the library of constraints.
func withoutGuides(t *testing.T) *Runtime {
	t.Helper()
	r := *libraries(t)
	r.guides = guide.NewLibrary(t.TempDir())
	return &r
}
