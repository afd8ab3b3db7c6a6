package enginetest

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

func textCases() []testCase {
	return []testCase{
		{"load tells progress and facts", loadTellsProgress},
		{"usage adds up and max_tokens is exact", usageAddsUp},
		{"greedy text repeats", greedyRepeats},
		{"a seed repeats, alone and in company", seedRepeats},
		{"seeds differ", seedsDiffer},
		{"every choice finishes once", choicesFinish},
		{"stop strings never show", stopStrings},
		{"logit bias forbids", biasForbids},
		{"logprobs are sane", logprobsAreSane},
		{"too long a prompt names both numbers", contextExceeded},
		{"the context ends an answer", contextEnds},
		{"an empty prompt is refused", emptyPrompt},
		{"token ids out of range are refused", badTokens},
		{"cancelled before its first token", cancelInPrefill},
		{"cancelled in its text", cancelInDecode},
		{"a deadline ends in its code", deadlineEnds},
		{"leaving the range frees", leavingFrees},
		{"more streams than sequences", manyStreams},
		{"stats count", statsCount},
		{"a share of processors is kept", shareIsKept},
		{"tokens become their text again", tokensRoundTrip},
		{"tokens and text are the same prompt", tokensAsPrompt},
		{"untrusted control tokens are text", untrustedControl},
		{"a grammar is obeyed", grammarObeyed},
		{"text models refuse embeddings", textRefusesEmbeddings},
	}
}

func usageAddsUp(t *testing.T, s *suite) {
	t.Helper()
	ids, err := as[engine.Tokenizer](t, s).Tokenize(t.Context(), text(s.opt.Text))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2, 17} {
		a := s.good(t, s.request(n))
		if a.usage.Prompt != len(ids) || a.usage.Completion != n || a.usage.Total() != len(ids)+n {
			t.Errorf("usage %+v; want %d and %d", *a.usage, len(ids), n)
		}
		if a.usage.Cached < 0 || a.usage.Cached > a.usage.Prompt || a.usage.Prefill < 0 || a.usage.Decode < 0 || a.usage.Queued < 0 {
			t.Errorf("usage %+v", *a.usage)
		}
		if a.finish[0] != core.FinishLength {
			t.Errorf("finish %q", a.finish[0])
		}
	}
}

func greedyRepeats(t *testing.T, s *suite) {
	t.Helper()
	first := s.good(t, s.request(24)).texts[0]
	if first == "" {
		t.Error("no text")
	}
	req := s.request(24)
	req.Sampling.Seed = 99
	if again := s.good(t, req).texts[0]; again != first {
		t.Errorf("%q became %q", first, again)
	}
}

// seeded is a request with sampling that leaves much to chance.
func (s *suite) seeded(seed int64) engine.GenerateRequest {
	req := s.request(24)
	req.Sampling.Temperature, req.Sampling.TopP, req.Sampling.TopK, req.Sampling.MinP, req.Sampling.Seed = 1.2, 0.98, 200, 0.001, seed
	return req
}

func seedRepeats(t *testing.T, s *suite) {
	t.Helper()
	want := map[int64]string{}
	for seed := range int64(4) {
		want[seed] = s.good(t, s.seeded(seed)).texts[0]
	}
	var wg sync.WaitGroup
	for seed := range int64(4) {
		wg.Go(func() {
			if got := s.good(t, s.seeded(seed)).texts[0]; got != want[seed] {
				t.Errorf("seed %d: alone %q, in company %q", seed, want[seed], got)
			}
		})
	}
	wg.Wait()
}

func seedsDiffer(t *testing.T, s *suite) {
	t.Helper()
	seen := map[string]bool{}
	for seed := range int64(4) {
		seen[s.good(t, s.seeded(seed)).texts[0]] = true
	}
	if len(seen) < 2 {
		t.Errorf("four seeds make %d texts", len(seen))
	}
}

func choicesFinish(t *testing.T, s *suite) {
	t.Helper()
	req := s.seeded(7)
	req.Choices = 3
	a := s.good(t, req)
	if a.usage.Completion != 3*req.MaxTokens {
		t.Errorf("three choices have %d tokens", a.usage.Completion)
	}
	for i := range 3 {
		alone := s.seeded(7 + int64(i))
		if got := s.good(t, alone).texts[0]; got != a.texts[i] {
			t.Errorf("choice %d is %q; alone with its seed it is %q", i, a.texts[i], got)
		}
	}
}

func stopStrings(t *testing.T, s *suite) {
	t.Helper()
	full := s.good(t, s.request(24)).texts[0]
	runes := []rune(full)
	if len(runes) < 12 {
		t.Fatalf("the answer %q is too short for this case", full)
	}
	for at := 3; at+5 <= len(runes); at += 4 {
		for _, n := range []int{1, 3, 5} {
			stop := string(runes[at : at+n])
			if strings.ContainsRune(stop, utf8.RuneError) {
				continue // it stands for bytes that are no text, and no stop string can name those
			}
			req := s.request(24)
			req.Stop = []string{"\x00never", stop}
			a := s.good(t, req)
			want, _, _ := strings.Cut(full, stop)
			if a.texts[0] != want || a.finish[0] != core.FinishStop || a.stops[0] != stop && !s.opt.Elsewhere {
				t.Errorf("stop %q: text %q, want %q; finish %q by %q", stop, a.texts[0], want, a.finish[0], a.stops[0])
			}
		}
	}
	// What only begins like a stop string is text in the end.
	req := s.request(24)
	req.Stop = []string{string(runes[len(runes)-3:]) + "\x00never"}
	if a := s.good(t, req); a.texts[0] != full {
		t.Errorf("text that was held back is lost: %q, want %q", a.texts[0], full)
	}
}

func biasForbids(t *testing.T, s *suite) {
	t.Helper()
	req := s.request(1)
	req.Logprobs, req.TopLogprobs = true, 2
	first := s.good(t, req).tokens[0]
	if len(first) != 1 || len(first[0].Top) != 2 {
		t.Fatalf("tokens %+v", first)
	}
	req.Sampling.LogitBias = map[int]float64{first[0].ID: -100}
	if got := s.good(t, req).tokens[0]; len(got) != 1 || got[0].ID == first[0].ID {
		t.Errorf("the forbidden token %d comes: %+v", first[0].ID, got)
	}
	other := first[0].Top[1].ID
	req.Sampling.LogitBias = map[int]float64{other: 100}
	if got := s.good(t, req).tokens[0]; len(got) != 1 || got[0].ID != other {
		t.Errorf("the forced token %d does not come: %+v", other, got)
	}
}

func logprobsAreSane(t *testing.T, s *suite) {
	t.Helper()
	req := s.seeded(3)
	req.Logprobs, req.TopLogprobs = true, 4
	a := s.good(t, req)
	if len(a.tokens[0]) != a.usage.Completion {
		t.Errorf("%d tokens are described, %d were made", len(a.tokens[0]), a.usage.Completion)
	}
	var all []byte
	for _, tok := range a.tokens[0] {
		all = append(all, tok.Bytes...)
		if !(tok.Logprob <= 0) || len(tok.Top) != 4 {
			t.Errorf("token %+v", tok)
		}
		for i, top := range tok.Top {
			if !(top.Logprob <= 0) || i > 0 && top.Logprob > tok.Top[i-1].Logprob || top.Top != nil {
				t.Errorf("alternative %d of %+v", i, tok)
			}
		}
	}
	// Bytes that are no text may become one U+FFFD or several.
	broken := string(utf8.RuneError)
	letters := func(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, ""), broken, "") }
	if got := letters(string(all)); !strings.HasPrefix(got, letters(a.texts[0])) {
		t.Errorf("the tokens say %q, the text %q", got, a.texts[0])
	}
	if s.good(t, s.seeded(3)).texts[0] != a.texts[0] {
		t.Error("asking for logprobs changes the text")
	}
	if plain := s.good(t, s.request(3)); plain.tokens[0] != nil {
		t.Error("tokens come that nobody asked for")
	}
}

// long makes a prompt of at least n tokens.
func (s *suite) long(t *testing.T, n int) (engine.Prompt, int) {
	t.Helper()
	unit := s.opt.Text + " and so on. "
	for times := 1 + n/64; ; times *= 2 {
		p := text(strings.Repeat(unit, times))
		ids, err := as[engine.Tokenizer](t, s).Tokenize(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if len(ids) >= n {
			return p, len(ids)
		}
	}
}

func contextExceeded(t *testing.T, s *suite) {
	t.Helper()
	limit := s.m.Facts().Context
	req := s.request(1)
	var n int
	req.Prompt, n = s.long(t, limit+1)
	_, err := as[engine.Generator](t, s).Generate(t.Context(), req)
	wantTooLong(t, err, core.Overflow{Prompt: n, Context: limit, Answer: 1})
}

// wantTooLong wants both numbers, for programs and for people.
func wantTooLong(t *testing.T, err error, want core.Overflow) {
	t.Helper()
	wantCode(t, err, core.CodeContextExceeded)
	e := core.AsError(err)
	if e.Overflow == nil || *e.Overflow != want {
		t.Errorf("the overflow is %+v, want %+v", e.Overflow, want)
	}
	if !strings.Contains(e.Message, strconv.Itoa(want.Prompt)) || !strings.Contains(e.Message, strconv.Itoa(want.Context)) {
		t.Errorf("the message %q does not name %d and %d", e.Message, want.Prompt, want.Context)
	}
}

func contextEnds(t *testing.T, s *suite) {
	t.Helper()
	limit := s.m.Facts().Context
	ids := s.tokensOf(t, strings.Repeat(s.opt.Text+" and so on. ", limit))
	req := s.request(0)
	req.Prompt = engine.Prompt{Tokens: ids[:limit-5]}
	a := s.good(t, req)
	if a.finish[0] != core.FinishLength || a.usage.Completion < 4 || a.usage.Completion > 6 {
		t.Errorf("with room for 5 tokens: finish %q, usage %+v", a.finish[0], *a.usage)
	}
}

func (s *suite) tokensOf(t *testing.T, str string) []int {
	t.Helper()
	ids, err := as[engine.Tokenizer](t, s).Tokenize(t.Context(), text(str))
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func emptyPrompt(t *testing.T, s *suite) {
	t.Helper()
	req := s.request(1)
	req.Prompt = engine.Prompt{Tokens: []int{}}
	_, err := as[engine.Generator](t, s).Generate(t.Context(), req)
	wantCode(t, err, core.CodeInvalidRequest)
}

func badTokens(t *testing.T, s *suite) {
	t.Helper()
	for _, id := range []int{-1, s.m.Facts().Vocabulary, 1 << 30} {
		req := s.request(1)
		req.Prompt = engine.Prompt{Tokens: []int{id}}
		_, err := as[engine.Generator](t, s).Generate(t.Context(), req)
		wantCode(t, err, core.CodeInvalidRequest)
		_, err = as[engine.Tokenizer](t, s).Detokenize(t.Context(), []int{id})
		wantCode(t, err, core.CodeInvalidRequest)
	}
}

func statsCount(t *testing.T, s *suite) {
	t.Helper()
	st := as[engine.Statter](t, s)
	before, err := st.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.good(t, s.request(5))
	after, err := st.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after.Generated < before.Generated+5 || after.Steps <= before.Steps || after.Prompt+after.Cached <= before.Prompt+before.Cached {
		t.Errorf("before %+v, after %+v", before, after)
	}
	s.idle(t)
}

// shareIsKept: a model that can be told its share computes on no more threads.
func shareIsKept(t *testing.T, s *suite) {
	t.Helper()
	m, ok := s.m.(engine.Sharer)
	if !ok {
		t.Skip("this model takes no share")
	}
	m.Share(1)
	s.good(t, s.request(5))
	now, err := as[engine.Statter](t, s).Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if now.Threads > 1 {
		t.Errorf("%d threads on one processor", now.Threads)
	}
	m.Share(s.m.Facts().Threads)
	s.good(t, s.request(5))
}

// idle waits until nothing runs any more.
func (s *suite) idle(t *testing.T) {
	t.Helper()
	st := as[engine.Statter](t, s)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), s.opt.Bound)
	defer cancel()
	for {
		now, err := st.Stats(ctx)
		if err == nil && now.Active == 0 && now.Waiting == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("after %s this still runs: %+v, %v", s.opt.Bound, now, err)
		}
	}
}
