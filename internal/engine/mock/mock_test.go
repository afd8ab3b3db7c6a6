package mock

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

func load(t *testing.T, options map[string]string) *model {
	t.Helper()
	m, err := New().Load(t.Context(), engine.LoadSpec{Path: write(t, `{"format":"mock"}`), Options: options}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	mm, ok := m.(*model)
	if !ok {
		t.Fatalf("%T", m)
	}
	return mm
}

func ask(text string) engine.GenerateRequest {
	return engine.GenerateRequest{
		Prompt: engine.Prompt{Segments: []engine.Segment{{Text: text}}}, Choices: 1, Sampling: engine.Sampling{TopP: 1, TypicalP: 1, RepeatPenalty: 1},
	}
}

func read(ctx context.Context, m *model, req engine.GenerateRequest) (string, error) {
	events, err := m.Generate(ctx, req)
	if err != nil {
		return "", err
	}
	text := ""
	for ev, err := range events {
		if err != nil {
			return text, err
		}
		text += ev.Text
	}
	return text, nil
}

func TestReplyIsTheAnswer(t *testing.T) {
	m := load(t, map[string]string{"reply": "from the options"})
	if text, err := read(t.Context(), m, ask("hello")); err != nil || text != "from the options" {
		t.Errorf("got %q, %v", text, err)
	}
	for _, want := range []string{`{"a": [1, 2, "naïve 🙂"]}`, "x", "key=value token_delay=9s"} {
		req := ask("some text\n#mock token_delay=1ns reply=" + want + "\nmore text")
		req.Constraint = engine.Constraint{Kind: core.FormatGBNF, Source: "root ::= [a-z]"}
		if text, err := read(t.Context(), m, req); err != nil || text != want {
			t.Errorf("got %q, %v; want %q", text, err, want)
		}
	}
	req := ask("hello")
	req.Prompt.Segments[0].Text = "no directive"
	req.Constraint = engine.Constraint{Kind: core.FormatGBNF, Source: "root ::= [a-z]"}
	if _, err := read(t.Context(), load(t, nil), req); core.CodeOf(err) != core.CodeUnsupported {
		t.Errorf("a grammar without a reply: %v", err)
	}
}

func TestAnswersEndByThemselves(t *testing.T) {
	m := load(t, nil)
	for i := range 20 {
		text, err := read(t.Context(), m, ask(strings.Repeat("a", i+1)))
		if err != nil || text == "" || len(text) > 2000 {
			t.Errorf("prompt %d: %d bytes, %v", i, len(text), err)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	path := write(t, `{"format":"mock"}`)
	for key, value := range map[string]string{
		"unknown": "1", "load_delay": "soon", "token_delay": "-1s", "prefill_delay": "1000h", "allocate": "-1", "load_allocate": "much",
		"crash_after": "-1", "hang_after": "x", "freeze_after": "", "garbage_after": "1.5", "fail_load": "why", "crash": "softly", "ignore_close": "maybe",
	} {
		_, err := New().Load(t.Context(), engine.LoadSpec{Path: path, Options: map[string]string{key: value}}, nil)
		if core.CodeOf(err) != core.CodeInvalidRequest || !strings.Contains(err.Error(), key) {
			t.Errorf("%s=%s: %v", key, value, err)
		}
	}
	m := load(t, nil)
	for _, line := range []string{"unknown=1", "ignore_close=true", "token_delay=soon", "novalue"} {
		if _, err := read(t.Context(), m, ask("#mock "+line)); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%s: %v", line, err)
		}
	}
	for _, spec := range []engine.LoadSpec{{Path: path, Sequences: -1}, {Path: path, Sequences: 1 << 20}, {Path: path, Context: -1}} {
		if _, err := New().Load(t.Context(), spec, nil); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%+v: %v", spec, err)
		}
	}
}

func TestFilesAreChecked(t *testing.T) {
	for _, text := range []string{
		"", "PK", "[]", `{"format":"gguf"}`, `{"format":"mock","more":1}`, `{"format":"mock","context":-1}`, `{"format":"mock","dimensions":99999999}`,
		strings.Repeat(" ", maxFile+1),
	} {
		if _, err := New().Load(t.Context(), engine.LoadSpec{Path: write(t, text)}, nil); core.CodeOf(err) != core.CodeBadModel {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	if _, err := New().Load(t.Context(), engine.LoadSpec{Path: t.TempDir()}, nil); core.CodeOf(err) != core.CodeBadModel {
		t.Errorf("a folder: %v", err)
	}
	if _, err := New().Load(t.Context(), engine.LoadSpec{Path: write(t, `{"format":"mock","options":{"what":"1"}}`)}, nil); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Errorf("a bad option in the file: %v", err)
	}
}

func TestAGGUFFileCountsAsAMockModel(t *testing.T) {
	m, err := New().Load(t.Context(), engine.LoadSpec{Path: write(t, "GGUF\x03 and more")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func TestLoadFailsAsAsked(t *testing.T) {
	path := write(t, `{"format":"mock"}`)
	for value, code := range map[string]core.Code{"bad_model": core.CodeBadModel, "out_of_memory": core.CodeOutOfMemory, "unavailable": core.CodeUnavailable} {
		_, err := New().Load(t.Context(), engine.LoadSpec{Path: path, Options: map[string]string{"fail_load": value, "load_allocate": "100000"}}, nil)
		if core.CodeOf(err) != code {
			t.Errorf("%s: %v", value, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := New().Load(ctx, engine.LoadSpec{Path: path, Options: map[string]string{"load_delay": "5m"}}, nil)
	if core.CodeOf(err) != core.CodeDeadline {
		t.Errorf("a slow load: %v", err)
	}
}

func TestHangIgnoresItsContextUntilClose(t *testing.T) {
	m := load(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	events, err := m.Generate(ctx, ask("#mock hang_after=1 allocate=5000"))
	if err != nil {
		t.Fatal(err)
	}
	first, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		var last error
		n := 0
		for _, err := range events {
			if last = err; n == 0 {
				close(first)
			}
			n++
		}
		ended <- last
	}()
	<-first
	cancel()
	select {
	case err := <-ended:
		t.Fatalf("the request ended by its context: %v", err)
	case <-time.After(30 * time.Millisecond):
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("ended by %v", err)
	}
}

func TestCloseInTheMiddleOfARangeDoesNotLock(t *testing.T) {
	m := load(t, nil)
	req := ask("x")
	req.IgnoreEOS = true
	events, err := m.Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range events {
		_ = m.Close()
		last = err
	}
	if core.CodeOf(last) != core.CodeUnavailable {
		t.Errorf("ended by %v", last)
	}
}

func TestVocabularyRoundTrips(t *testing.T) {
	v := newVocabulary()
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) + rapid.StringMatching(`( the| of|caf.|<\|end\|>|\pL){0,9}`).Draw(t, "text")
		trusted := rapid.Bool().Draw(t, "trusted")
		var out []byte
		for _, id := range v.encode(nil, in, trusted) {
			if special(id) && !trusted {
				t.Fatalf("untrusted %q has the control token %d", in, id)
			}
			out = append(out, v.text[id]...)
		}
		if string(out) != in {
			t.Fatalf("%q became %q", in, out)
		}
	})
}

// TestEmitter cuts any text into any pieces: what comes out is the text up to the first stop string, in whole characters.
func TestEmitter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.StringMatching(`[abc é🙂]{0,30}`).Draw(t, "text")
		stops := rapid.SliceOfN(rapid.StringMatching(`[abc é]{1,4}`), 0, 3).Draw(t, "stops")
		e := emitter{stops: stops}
		shown, made, told, stopped := "", 0, 0, ""
		for rest := []byte(all); len(rest) > 0 && stopped == ""; made++ {
			n := rapid.IntRange(1, min(4, len(rest))).Draw(t, "piece")
			text, tokens, stop := e.push(string(rest[:n]), &core.Token{ID: made, Bytes: rest[:n]})
			if !utf8.ValidString(text) {
				t.Fatalf("%q is not UTF-8", text)
			}
			for _, tok := range tokens {
				if tok.ID != told {
					t.Fatalf("token %d comes after %d", tok.ID, told)
				}
				told++
			}
			shown, rest, stopped = shown+text, rest[n:], stop
			for _, s := range stops {
				if stopped == "" && strings.Contains(shown, s) {
					t.Fatalf("%q shows the stop string %q", shown, s)
				}
			}
		}
		if stopped == "" {
			text, tokens := e.flush()
			shown, told = shown+text, told+len(tokens)
		}
		if told != made {
			t.Fatalf("%d of %d tokens came", told, made)
		}
		if stopped != "" && !strings.HasPrefix(all, shown+stopped) || stopped == "" && shown != all {
			t.Fatalf("%q with %q became %q by %q", all, stops, shown, stopped)
		}
		for _, s := range stops {
			if strings.Contains(shown, s) {
				t.Fatalf("%q shows the stop string %q", shown, s)
			}
		}
	})
}

func TestEmitterReplacesWhatIsNoText(t *testing.T) {
	e := emitter{}
	text, _, _ := e.push("a\xff\xe2\x82", nil)
	rest, _ := e.flush()
	if text != "a�" || rest != "�" {
		t.Errorf("got %q and %q", text, rest)
	}
}

func TestSamplersLeaveOnlyWhatTheyAllow(t *testing.T) {
	logits := []float64{1, 5, 4.9, 0, -3, 4.8}
	draw := func(s engine.Sampling) map[int]int {
		seen := map[int]int{}
		s.RepeatPenalty = max(s.RepeatPenalty, 1)
		p := newSampler(s, 0, []int{1})
		for range 500 {
			seen[p.pick(bytesClone(logits))]++
		}
		return seen
	}
	for name, c := range map[string]struct {
		s    engine.Sampling
		want int
	}{
		"all":     {engine.Sampling{Temperature: 5}, 6},
		"top_k":   {engine.Sampling{Temperature: 5, TopK: 2}, 2},
		"top_p":   {engine.Sampling{Temperature: 5, TopP: 0.5}, 2},
		"min_p":   {engine.Sampling{Temperature: 5, MinP: 0.5}, 3},
		"typical": {engine.Sampling{Temperature: 5, TypicalP: 0.3}, 1},
		"greedy":  {engine.Sampling{}, 1},
	} {
		if seen := draw(c.s); len(seen) != c.want {
			t.Errorf("%s leaves %v, want %d tokens", name, seen, c.want)
		}
	}
	for name, s := range map[string]engine.Sampling{
		"repeat": {RepeatPenalty: 2, RepeatLastN: -1}, "presence": {PresencePenalty: 2, RepeatLastN: 8}, "frequency": {FrequencyPenalty: 2, RepeatLastN: 1},
		"bias": {LogitBias: map[int]float64{2: 100}},
	} {
		if seen := draw(s); seen[2] != 500 {
			t.Errorf("%s: %v", name, seen)
		}
	}
	if seen := draw(engine.Sampling{RepeatPenalty: 2, RepeatLastN: 0}); seen[1] != 500 {
		t.Errorf("a penalty over no tokens: %v", seen)
	}
}

func bytesClone(in []float64) []float64 { return append([]float64{}, in...) }

func FuzzParseFile(f *testing.F) {
	f.Add([]byte(`{"format":"mock","context":5,"options":{"reply":"x"}}`))
	f.Add([]byte(`{"format":"mock"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := parseFile(data)
		if err != nil {
			return
		}
		if got.Context < 1 || got.Context > maxContext || got.Dimensions < 1 || got.Dimensions > maxDimensions || !bytes.Contains(data, []byte("mock")) {
			t.Fatalf("%q became %+v", data, got)
		}
	})
}
