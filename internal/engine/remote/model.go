package remote

import (
	"context"
	"slices"
	"sync"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
)

// model is a model at a server.
type model struct {
	s         *server
	id        string
	kind      string
	listed    Listed
	embedding bool
	template  string

	closed context.Context //nolint:containedctx // the model's own life, which every request is bound to
	close  context.CancelCauseFunc
	places chan struct{} // one per request that the server may have at once
	wg     sync.WaitGroup

	mu    sync.Mutex
	stats engine.Stats
	done  bool
}

func newModel(s *server, id string, embedding bool) *model {
	m := &model{s: s, id: id, embedding: embedding, places: make(chan struct{}, s.Concurrency)}
	m.closed, m.close = context.WithCancelCause(context.Background()) //nolint:forbidigo // it ends by Close; a load's context is over before
	return m
}

// batch is what Facts tell of a server's steps, which nobody sees: a request that is given up is given up at once.
const batch = 1

// Facts implements engine.Model.
func (m *model) Facts() engine.Facts {
	f := engine.Facts{
		Runtime: catalog.Remote, Device: deviceOf(m.s.Name), Context: m.listed.Context, Sequences: m.s.Concurrency,
		Batch: batch, Vocabulary: m.listed.Vocabulary, Template: m.template,
		Capabilities: slices.DeleteFunc(slices.Clone(m.listed.Capabilities), func(c core.Capability) bool {
			return c != core.CapChat && c != core.CapGenerate && c != core.CapEmbed && c != core.CapRerank
		}),
	}
	if m.listed.Capabilities == nil {
		f.Capabilities = []core.Capability{core.CapChat, core.CapGenerate}
		if m.embedding {
			f.Capabilities = []core.Capability{core.CapEmbed, core.CapRerank}
		}
	}
	return f
}

func errClosed() *core.Error {
	return core.Errorf(core.CodeUnavailable, "The model was unloaded while this request ran; try again to load it again.")
}

// Close ends what runs. It implements engine.Model.
func (m *model) Close() error {
	m.mu.Lock()
	m.done = true
	m.mu.Unlock()
	m.close(errClosed())
	m.wg.Wait()
	m.s.http.Close() // only what is idle; another model of the server opens anew what it needs
	return nil
}

// begin starts a request, in one of the server's places where it makes work there. The context ends with the model; end
// gives everything back.
func (m *model) begin(ctx context.Context, works bool) (_ context.Context, end func(), _ error) {
	m.mu.Lock()
	if m.done {
		m.mu.Unlock()
		return nil, nil, errClosed()
	}
	m.wg.Add(1)
	m.stats.Waiting++
	m.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	unbind := context.AfterFunc(m.closed, func() { cancel(context.Cause(m.closed)) })
	var err error
	places := m.places
	if !works {
		places = make(chan struct{}, 1)
	}
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		err = core.AsError(context.Cause(ctx))
	}
	m.count(func(st *engine.Stats) {
		st.Waiting--
		if err == nil {
			st.Active++
		}
	})
	var once sync.Once
	end = func() {
		once.Do(func() {
			unbind()
			cancel(context.Canceled)
			if err == nil {
				<-places
				m.count(func(st *engine.Stats) { st.Active-- })
			}
			m.wg.Done()
		})
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	return ctx, end, nil
}

func (m *model) count(f func(*engine.Stats)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.stats)
}

// Stats implements engine.Statter: what this server sent there, and not what others did.
func (m *model) Stats(context.Context) (engine.Stats, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.done {
		return engine.Stats{}, errClosed()
	}
	st := m.stats
	st.Threads = 1
	return st, nil
}

// Check implements engine.Checker.
func (m *model) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	list, err := m.s.models(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(l Listed) bool { return l.ID == m.id }) {
		return m.s.fault(engine.FaultDown, nil, "does not serve the model %.200q any more", m.id)
	}
	return nil
}
