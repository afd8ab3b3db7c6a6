package llamacpp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/layout"
)

// exactly is a spec of the default model in the mode that promises the same numbers on every way.
func exactly(t *testing.T, threads, batch int) engine.LoadSpec {
	t.Helper()
	spec := engine.LoadSpec{Path: realModel(t), Context: 512, Sequences: 4, Batch: batch, Threads: threads}
	return with(t, spec, map[string]string{layout.OptRepeatable: "true", layout.OptCacheMemory: "0"})
}

// told is a greedy continuation of tokens, with how likely each of its own was.
func told(t *testing.T, m *model, prompt []int, n int) ([]core.Token, core.Usage) {
	t.Helper()
	req := greedy("", n)
	req.Prompt, req.Logprobs, req.IgnoreEOS = engine.Prompt{Tokens: prompt}, true, true
	events, err := m.Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var out []core.Token
	var usage core.Usage
	for ev, err := range events {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, ev.Tokens...)
		if ev.Usage != nil {
			usage = *ev.Usage
		}
	}
	return out, usage
}

// same compares numbers to the bit.
func same(a, b []core.Token) bool {
	return slices.EqualFunc(a, b, func(x, y core.Token) bool { return x.ID == y.ID && x.Logprob == y.Logprob }) //nolint:floatequal // to the bit
}

func tokensOf(t *testing.T, m *model, text string) []int {
	t.Helper()
	ids, err := m.Tokenize(t.Context(), engine.Prompt{Segments: []engine.Segment{{Text: text}}})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

const river = "The station of Brackley is old and stands beside the river. Visitors come by train in the morning and leave in the evening. " +
	"The door of the station is yellow, and its clock is older than the town. Question: what stands beside the river? Answer:"

// run begins an endless greedy answer and returns when n of its tokens have come; it runs until the test ends.
func run(t *testing.T, m *model, prompt []int, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req := greedy("", 400)
	req.Prompt, req.IgnoreEOS, req.Logprobs = engine.Prompt{Tokens: prompt}, true, true
	events, err := m.Generate(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	far, ended := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		seen, reached := 0, sync.OnceFunc(func() { close(far) })
		defer reached()
		for ev, err := range events {
			if err != nil {
				break
			}
			if seen += len(ev.Tokens); seen >= n {
				reached()
			}
		}
	}()
	<-far
}

// TestARunningAnswerIsNoPrefix: what an answer holds beyond its prompt was computed token by token, and a prompt that
// repeats it is not. It was reused while the answer ran, and moved later numbers by 0.03 nats.
func TestARunningAnswerIsNoPrefix(t *testing.T) {
	m := open(t, exactly(t, 2, 128))
	prompt := tokensOf(t, m, river)
	text, _ := told(t, m, prompt, 12)
	next := slices.Clone(prompt)
	for _, k := range text[:10] {
		next = append(next, k.ID)
	}
	next = append(next, tokensOf(t, m, " Question: which colour has the door of the station? Answer:")...)
	want, _ := told(t, open(t, exactly(t, 2, 128)), next, 10)

	warm := open(t, exactly(t, 2, 128))
	run(t, warm, prompt, 12)
	got, usage := told(t, warm, next, 10)
	if usage.Cached != len(prompt) {
		t.Errorf("%d tokens were reused, and the prompt of the answer that runs has %d", usage.Cached, len(prompt))
	}
	if !same(got, want) {
		t.Errorf("beside the answer that it goes on from: %v\nalone: %v", got, want)
	}
}

// TestNumbersDoNotDependOnTheWay computes one prompt with other threads, in other pieces, from prefixes of every length, and
// in company. To the bit, the answer's numbers are the same.
func TestNumbersDoNotDependOnTheWay(t *testing.T) {
	text := river + " The station. " + river
	var want []core.Token
	for _, threads := range []int{2, 1} {
		for _, width := range []int{512, 33} {
			t.Run(fmt.Sprintf("%d threads, %d tokens", threads, width), func(t *testing.T) {
				m := open(t, exactly(t, threads, width))
				prompt := tokensOf(t, m, text)
				got, _ := told(t, m, prompt, 6)
				if want == nil {
					want = got
				}
				if !same(got, want) {
					t.Fatalf("%v\nwant %v", got, want)
				}
				for n := 2; n < len(prompt); n += n + 1 {
					told(t, m, append(slices.Clone(prompt[:n]), prompt[0]), 1) // so much of it is held, and no more
					if got, usage := told(t, m, prompt, 6); !same(got, want) {
						t.Errorf("%d reused: %v\nwant %v", usage.Cached, got, want)
					}
				}
				run(t, m, tokensOf(t, m, "Once upon a time"), 3)
				run(t, m, tokensOf(t, m, strings.Repeat("One and two and ", 10)), 3)
				if got, _ := told(t, m, prompt, 6); !same(got, want) {
					t.Errorf("in company: %v\nwant %v", got, want)
				}
			})
		}
	}
}
