//go:build linux

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A conversation's place: which pair, which of the two that share the pair's long beginning, and how many questions deep.
type place struct{ pair, twin, depth int }

const (
	pairs  = 8
	depths = 2
	// alike is how far the log-probability of a token may lie from the cold run's, in nats. The engine promises the same
	// numbers in company as alone, so it is far below what one foreign token in the prompt does: 0.05 or more in nine
	// cases of ten, at the token where it shows most.
	alike = 0.01
)

func places() []place {
	var out []place
	for d := range depths {
		for twin := range 2 {
			for p := range pairs {
				out = append(out, place{p, twin, d})
			}
		}
	}
	return out
}

// messages are fixed texts, those of the assistant too, so that each place has one right answer for ever.
func (p place) messages() []map[string]string {
	name := strings.Fields("Olmstead Hartwell Brackley Tarnford Eskdale Wexcombe Pelham Norbury")[p.pair]
	thing := strings.Fields("lighthouse windmill station brewery chapel bridge market quarry")[p.pair]
	colour := []string{"green", "yellow"}[p.twin]
	out := []map[string]string{
		{"role": "system", "content": fmt.Sprintf("You are the guide of %[1]s. The %[2]s of %[1]s is old and stands beside the river. "+
			"Visitors of %[1]s come by train in the morning and leave in the evening. The door of the %[2]s is %[3]s.", name, thing, colour)},
		{"role": "user", "content": fmt.Sprintf("What stands beside the river in %s?", name)},
	}
	for range p.depth {
		out = append(out, map[string]string{"role": "assistant", "content": fmt.Sprintf("The %s of %s stands beside the river.", thing, name)},
			map[string]string{"role": "user", "content": fmt.Sprintf("Which colour has the door of the %s?", thing)})
	}
	return out
}

// spoken is an answer with how likely each of its tokens was.
type spoken struct {
	text           string
	tokens         []likely
	prompt, cached int
}

type likely struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
}

func converse(ctx context.Context, addr string, p place) (spoken, error) {
	status, body, err := say(ctx, addr, map[string]any{"messages": p.messages(), "max_tokens": 10, "logprobs": true})
	if err != nil {
		return spoken{}, err
	}
	var v struct {
		Choices []struct {
			Message struct {
				Content string `json:"content"`
			} `json:"message"`
			Logprobs struct {
				Content []likely `json:"content"`
			} `json:"logprobs"`
		} `json:"choices"`
		Usage struct {
			Prompt  int `json:"prompt_tokens"`
			Details struct {
				Cached int `json:"cached_tokens"`
			} `json:"prompt_tokens_details"`
		} `json:"usage"`
	}
	if status != http.StatusOK {
		return spoken{}, fmt.Errorf("status %d: %s", status, body)
	}
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		return spoken{}, err
	}
	if len(v.Choices) != 1 || len(v.Choices[0].Logprobs.Content) == 0 {
		return spoken{}, fmt.Errorf("this is no answer with log-probabilities: %s", body)
	}
	c := v.Choices[0]
	return spoken{c.Message.Content, c.Logprobs.Content, v.Usage.Prompt, v.Usage.Details.Cached}, nil
}

// differs compares an answer with the cold one.
func (s spoken) differs(cold spoken) error {
	switch {
	case s.text != cold.text || len(s.tokens) != len(cold.tokens):
		return fmt.Errorf("the answer is %q, and %q in a cold run", s.text, cold.text)
	case s.prompt != cold.prompt:
		return fmt.Errorf("the prompt has %d tokens, and %d in a cold run", s.prompt, cold.prompt)
	case s.cached >= s.prompt:
		return fmt.Errorf("%d of %d prompt tokens were reused, and one at least has to be computed", s.cached, s.prompt)
	}
	for i, c := range cold.tokens {
		if d := math.Abs(s.tokens[i].Logprob - c.Logprob); d > alike || s.tokens[i].Token != c.Token {
			return fmt.Errorf("token %d, %q, has the log-probability %.4f, and %.4f in a cold run: %d of %d prompt tokens were reused",
				i+1, c.Token, s.tokens[i].Logprob, c.Logprob, s.cached, s.prompt)
		}
	}
	return nil
}

// exact are the settings under which the same tokens have the same numbers, wherever they come from, so that a foreign one
// shows; and a cache that is too small for all conversations.
func exact() []string { return []string{"engine.repeatable=true", "engine.cache_memory=8MiB"} }

// coldRuns asks each place of a server that has seen nothing of it: a fresh server for each depth and twin, so that no two
// prompts on one share more than the template's beginning.
func coldRuns(t *testing.T) map[place]spoken {
	t.Helper()
	cold := map[place]spoken{}
	for first := 0; first < len(places()); first += pairs {
		group := places()[first : first+pairs]
		t.Run(fmt.Sprintf("cold, question %d, twin %d", group[0].depth+1, group[0].twin+1), func(t *testing.T) {
			addr := site(t, exact()...)
			for _, p := range group {
				s, err := converse(t.Context(), addr, p)
				if err != nil {
					t.Fatal(err)
				}
				if s.cached > s.prompt/4 {
					t.Fatalf("%+v: %d of %d prompt tokens were reused in a cold run", p, s.cached, s.prompt)
				}
				cold[p] = s
			}
		})
	}
	if t.Failed() {
		t.FailNow()
	}
	return cold
}

// TestSoakConversations lets many more conversations than there are sequences take turns at random, four at a time, with
// clients among them that go away. Whatever the caches hold, each answer is that of a server that has seen nothing.
func TestSoakConversations(t *testing.T) {
	cold := coldRuns(t)
	all := places()
	rounds := int64(100 * scale(t))
	addr := site(t, exact()...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := time.Now()
	var next, reused, computed atomic.Int64
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 27148))
			for next.Add(1) <= rounds {
				if rng.IntN(8) == 0 {
					leave(ctx, addr, all[rng.IntN(len(all))], time.Duration(1+rng.IntN(150))*time.Millisecond)
				}
				p := all[rng.IntN(len(all))]
				s, err := converse(ctx, addr, p)
				if err == nil {
					err = s.differs(cold[p])
				}
				if err != nil {
					if ctx.Err() == nil {
						t.Errorf("%+v: %v", p, err)
					}
					cancel()
					return
				}
				reused.Add(int64(s.cached))
				computed.Add(int64(s.prompt - s.cached))
			}
		})
	}
	wg.Wait()
	t.Logf("%d rounds in %v: %d prompt tokens reused, %d computed", rounds, time.Since(began).Round(time.Second), reused.Load(), computed.Load())
	if !t.Failed() && (reused.Load() == 0 || computed.Load() == 0) {
		t.Error("nothing was reused, or everything; this run shows nothing")
	}
}

// leave asks for a long answer and goes away after a while; how that ends is not looked at here.
func leave(ctx context.Context, addr string, p place, after time.Duration) {
	ctx, cancel := context.WithTimeoutCause(ctx, after, errors.New("the client goes away"))
	defer cancel()
	_, _, _ = say(ctx, addr, map[string]any{"messages": p.messages(), "max_tokens": 200, "ignore_eos": true, "stream": true})
}
