package infer

import (
	"context"
	"maps"
	"slices"
	"sync"

	"ashatai/internal/engine"
)

// maxMarkers bounds the models whose control tokens are remembered.
const maxMarkers = 256

// markers remembers which texts are control tokens of which model.
type markers struct {
	mu    sync.Mutex
	known map[string]map[string]int // digest → marker → id, -1 for none
}

func newMarkers() *markers { return &markers{known: map[string]map[string]int{}} }

// find looks up the ids of texts that are control tokens of a model; the others are missing in the result.
func (k *markers) find(ctx context.Context, fleet Fleet, t Target, texts []string) (map[string]int, error) {
	k.mu.Lock()
	known := k.known[t.Digest]
	k.mu.Unlock()
	out := map[string]int{}
	asked := map[string]int{}
	for _, text := range texts {
		id, ok := known[text]
		if !ok {
			var err error
			if id, err = controlToken(ctx, fleet, t, text); err != nil {
				return nil, err
			}
			asked[text] = id
		}
		if id >= 0 {
			out[text] = id
		}
	}
	if len(asked) > 0 {
		k.keep(t.Digest, asked)
	}
	return out, nil
}

func (k *markers) keep(digest string, ids map[string]int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.known) >= maxMarkers {
		clear(k.known)
	}
	all := map[string]int{} // a map that was handed out never changes
	maps.Copy(all, k.known[digest])
	maps.Copy(all, ids)
	k.known[digest] = all
}

// controlToken is the id of the control token that is spelled so, or -1. A token that untrusted text is made of too is
// none: it has a text, like any other.
func controlToken(ctx context.Context, fleet Fleet, t Target, text string) (int, error) {
	as := func(trusted bool) ([]int, error) {
		return fleet.Tokenize(ctx, t, engine.Prompt{Segments: []engine.Segment{{Text: text, Trusted: trusted}}})
	}
	trusted, err := as(true)
	if err != nil || len(trusted) != 1 {
		return -1, err
	}
	plain, err := as(false)
	if err != nil || slices.Equal(plain, trusted) {
		return -1, err
	}
	return trusted[0], nil
}
