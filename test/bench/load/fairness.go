package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Tenants are the credentials of two callers that share a server; a server without accounts looks at neither.
type Tenants struct{ Small, Large string }

const (
	fairPrompt  = 200 // tokens
	fairAnswer  = 64
	fairLarge   = 10 // clients of the large tenant
	fairAlone   = 10 // requests of the small tenant by itself
	fairBeside  = 12 // and beside the large one
	fairLearned = 2  // its first requests there, which do not count: a server may learn from them how it asks
)

// Fairness lets one client of a tenant send request after request, first alone, then beside ten clients of another tenant that
// do the same. No two prompts are equal. The large tenant's rate counts while the small one is served.
func (w *Worker) Fairness(ctx context.Context, who Tenants) []Summary {
	small, large := w.c.as(who.Small), w.c.as(who.Large)
	defer small.http.CloseIdleConnections()
	defer large.http.CloseIdleConnections()
	began := time.Now()
	alone := w.inTurn(ctx, small, fairAlone)
	aloneTime := time.Since(began)

	flood, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var others []*result
	for range fairLarge {
		own := &Worker{c: large, rng: rand.New(rand.NewPCG(w.rng.Uint64(), 2))}
		wg.Go(func() {
			for flood.Err() == nil {
				r := large.do(flood, own.fairRequest())
				if flood.Err() != nil {
					return
				}
				mu.Lock()
				others = append(others, r)
				mu.Unlock()
				if r.err != nil {
					return // a server that refuses is not flooded with what it refuses
				}
			}
		})
	}
	w.inTurn(ctx, small, fairLearned)
	began = time.Now()
	beside := w.inTurn(ctx, small, fairBeside)
	ended := time.Now()
	stop()
	wg.Wait()

	var during []*result
	tokens := 0
	for _, r := range others {
		if r.end.After(began) && !r.end.After(ended) {
			during = append(during, r)
			tokens += r.outTokens
		}
	}
	took := ended.Sub(began)
	crowd := summarise(fmt.Sprintf("fairness-%d-others", fairLarge), during, took)
	crowd.Rate, crowd.Measured = round(float64(tokens)/took.Seconds()), true
	return []Summary{summarise("fairness-alone", alone, aloneTime), summarise("fairness-beside", beside, took), crowd}
}

// inTurn sends n requests, each when the one before has ended.
func (w *Worker) inTurn(ctx context.Context, c *client, n int) []*result {
	var out []*result
	for range n {
		out = append(out, c.do(ctx, w.fairRequest()))
	}
	return out
}

func (w *Worker) fairRequest() request {
	return request{msgs: user(w.prompt(fairPrompt)), maxTokens: fairAnswer}
}
