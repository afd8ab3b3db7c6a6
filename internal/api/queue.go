package api

import (
	"context"
	"strconv"
	"sync"
	"time"

	"ashatai/internal/core"
)

const (
	// queueQuiet is how long a client that waits hears nothing: what is wrong with a request, and a queue that is full, is known
	// long before, and keeps its own status. After that a word is worth more than the status of a rare failure: proxies and
	// clients close connections on which nothing comes.
	queueQuiet = 10 * time.Second
	queueEvery = 5 * time.Second
)

// Queued runs start, which waits for a model. Where streams says that the answer will be one, a client that has waited for ten
// seconds is told every five where it stands, in comments that clients of server-sent events pass over. From the first of them
// on the status is sent, and a failure of start must be told in the stream.
func (s *SSE) Queued(ctx context.Context, streams bool, start func(context.Context) (*core.Stream, error)) (*core.Stream, error) {
	w := core.WaitFrom(ctx)
	if w == nil || !streams {
		return start(ctx)
	}
	var mu sync.Mutex // held while a comment is written; over says that s is its owner's again
	var over bool
	var t *time.Timer
	mu.Lock()
	t = time.AfterFunc(queueQuiet, func() {
		mu.Lock()
		defer mu.Unlock()
		if over || ctx.Err() != nil {
			return
		}
		place := w.Now()
		if place > 0 && s.Comment("queue position "+strconv.Itoa(place)) != nil {
			return // the client is gone, which ends ctx
		}
		t.Reset(queueEvery)
	})
	mu.Unlock()
	defer func() {
		t.Stop()
		mu.Lock()
		over = true
		mu.Unlock()
	}()
	return start(ctx)
}
