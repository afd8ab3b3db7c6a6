package batch

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestNext(t *testing.T) {
	lim := Limits{Batch: 512, Chunk: 64}
	for _, c := range []struct {
		name    string
		streams []int
		prompts []Prompt
		want    Plan
	}{
		{"nothing to do", nil, nil, Plan{}},
		{"streams in the order of the sequences", []int{3, 0, 2}, nil, Plan{Streams: []int{0, 2, 3}}},
		{"an idle server takes a whole batch", nil, []Prompt{{Seq: 1, Left: 1500}}, Plan{Prompts: []int{1}, Tokens: 512}},
		{"beside streams a piece", []int{0}, []Prompt{{Seq: 1, Left: 1500}}, Plan{Streams: []int{0}, Prompts: []int{1}, Tokens: 64}},
		{"never one token left over", []int{0}, []Prompt{{Seq: 1, Left: 65}}, Plan{Streams: []int{0}, Prompts: []int{1}, Tokens: 63}},
		{"a single token where the prompt has no more", nil, []Prompt{{Seq: 1, Left: 1}}, Plan{Prompts: []int{1}, Tokens: 1}},
		{"equal prompts go together", nil, []Prompt{{Seq: 2, Left: 64}, {Seq: 0, Left: 64}, {Seq: 1, Left: 64}}, Plan{Prompts: []int{0, 1, 2}, Tokens: 64}},
		{"a short prompt takes a long one along", nil, []Prompt{{Seq: 0, Left: 1500}, {Seq: 1, Left: 64}}, Plan{Prompts: []int{0, 1}, Tokens: 64}},
		{"who was served least comes first", nil, []Prompt{{Seq: 0, Left: 1000, Done: 512}, {Seq: 1, Left: 700}}, Plan{Prompts: []int{1}, Tokens: 512}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, Next(c.streams, c.prompts, lim)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestEveryPromptIsComputed plays the loop: pieces are within the bounds, no prompt is left with one token, and all end.
func TestEveryPromptIsComputed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lim := Limits{Batch: rapid.IntRange(32, 512).Draw(t, "batch"), Chunk: rapid.IntRange(4, 64).Draw(t, "chunk")}
		lim.Chunk = min(lim.Chunk, lim.Batch)
		n := rapid.IntRange(1, 8).Draw(t, "prompts")
		streams := rapid.SliceOfNDistinct(rapid.IntRange(100, 120), 0, 8, rapid.ID).Draw(t, "streams")
		var prompts []Prompt
		total := 0
		for i := range n {
			left := rapid.IntRange(1, 900).Draw(t, "left")
			total += left
			prompts = append(prompts, Prompt{Seq: i, Left: left})
		}
		for steps := 0; len(prompts) > 0; steps++ {
			if steps > total {
				t.Fatal("no progress")
			}
			p := Next(streams, prompts, lim)
			room := lim.Batch
			if len(streams) > 0 {
				room = lim.Chunk
			}
			if p.Tokens < 1 || p.Tokens*len(p.Prompts) > room {
				t.Fatalf("%d tokens of %d prompts, room for %d", p.Tokens, len(p.Prompts), room)
			}
			if len(p.Streams) != len(streams) {
				t.Fatal("a running stream was left out")
			}
			for i := range prompts {
				q := &prompts[i]
				if !slices.Contains(p.Prompts, q.Seq) {
					continue
				}
				if p.Tokens == 1 && q.Left != 1 {
					t.Fatal("a single token of a longer prompt")
				}
				q.Left -= p.Tokens
				q.Done += p.Tokens
				if q.Left < 0 || q.Left == 1 {
					t.Fatalf("%d tokens left", q.Left)
				}
			}
			prompts = slices.DeleteFunc(prompts, func(q Prompt) bool { return q.Left == 0 })
		}
	})
}
