package llamacpp

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/curve"
	"ashatai/internal/engine/llamacpp/layout"
	"ashatai/internal/engine/llamacpp/prefix"
	"ashatai/internal/native/llama"
)

const (
	minReuse  = 16  // equal tokens from which it pays to fetch a state
	keepFrom  = 64  // tokens of a sequence from which its state is worth keeping
	fetchCost = 100 // tokens of state that are copied in less time than one token of a prompt is computed
)

// openStore opens the memory for prefixes that no sequence holds; nil where none is wanted.
func openStore(ctx context.Context, opt layout.Options, memory int64) (*prefix.Store, error) {
	if memory <= 0 {
		return nil, nil //nolint:nilnil // no store is a valid choice
	}
	cfg := prefix.Config{
		Key: opt.Key(), HostBytes: memory, MinTokens: minReuse, MaxAge: opt.CacheAge, Now: time.Now,
		Log: slog.New(slog.DiscardHandler), QueueBytes: memory / 4,
	}
	if opt.CacheDir != "" && opt.Digest != "" && opt.CacheDisk > 0 {
		cfg.Dir, cfg.DiskBytes = filepath.Join(opt.CacheDir, engine.ScratchPrompts), opt.CacheDisk
	}
	return prefix.Open(ctx, cfg)
}

// closeStore lets what is only in memory reach the disk, within the time that a close may take.
func (l *loop) closeStore() {
	if l.store == nil {
		return
	}
	for s := l.dirty(); s != nil; s = l.dirty() {
		l.save(s)
	}
	ctx, cancel := context.WithTimeout(l.life, closeTime)
	defer cancel()
	_ = l.store.Close(ctx) // what is not written is computed again
}

// closeTime bounds how long closing waits for the disk.
const closeTime = 3 * time.Second

// fetch is a state on its way from the store to a choice.
type fetch struct {
	hit    prefix.Hit
	loaded prefix.Loaded
	err    error
	done   bool // the loop has it, or knows that it cannot be had
	left   bool // nobody waits for it any more
}

// drop gives the memory back.
func (f *fetch) drop() {
	if f != nil {
		f.left = true
	}
	if f != nil && f.done && f.err == nil && f.loaded.State != nil {
		f.loaded.State.Release()
		f.loaded.State = nil
	}
}

// arrived takes a load from disk that ended. What nobody waits for any more is given back.
func (f *fetch) arrived() {
	if f.done = true; f.left {
		f.drop()
	}
}

// look asks the store for more of c's prompt than sequences hold. It reports true when c must wait for the disk.
func (l *loop) look(c *choice) bool {
	if c.fetch != nil {
		return !c.fetch.done
	}
	if l.store == nil || c.looked || c.paused != nil {
		return false
	}
	c.looked = true
	j := c.job
	_, have := l.live(j)
	hit := l.store.Find(prefix.Query{Tenant: j.req.Tenant, Prompt: j.prompt[:l.most(j)], Have: have})
	if hit.Tokens < minReuse {
		return false
	}
	f := &fetch{hit: hit}
	c.fetch = f
	if hit.Tier == prefix.TierHost {
		f.loaded, f.err = l.store.Load(j.ctx, hit)
		f.done = true
		return false
	}
	go func() {
		f.loaded, f.err = l.store.Load(j.ctx, hit)
		select {
		case l.fetched <- f:
		case <-l.finished:
			f.done = true
			f.drop()
		}
	}()
	return true
}

// most is how many tokens of a prompt may be reused: something is left to compute, as the first token needs logits, unless
// another choice of the request has them; and not a single token, which the library computes along another path.
func (l *loop) most(j *job) int {
	if j.logits != nil {
		return len(j.prompt)
	}
	return max(len(j.prompt)-tilePlain, 0)
}

// live is the sequence of j's tenant with the longest prefix of the prompt, a free one where several have it.
func (l *loop) live(j *job) (best *slot, tokens int) {
	most := l.most(j)
	for _, s := range l.slots {
		if s.tenant != j.req.Tenant {
			continue
		}
		n := min(prefix.Common(l.reusable(s), j.prompt), most)
		if n > tokens || n == tokens && n > 0 && best.run != nil && s.run == nil {
			best, tokens = s, n
		}
	}
	return best, tokens
}

// reusable is what others may have of a sequence: all that it holds. Where numbers must not depend on the path along which
// they were computed it is the prompt alone, while it runs too: an answer is computed token by token, as no prompt is.
func (l *loop) reusable(s *slot) []llama.Token {
	if l.opt.Repeatable && s.run != nil {
		return s.held[:min(len(s.held), len(s.run.job.prompt))]
	}
	return s.held
}

// place makes a free slot hold the longest prefix of the prompt that can be had, and returns it with the prefix's length.
func (l *loop) place(c *choice) (*slot, int) {
	j := c.job
	source, n := l.live(j)
	if f := c.fetch; f != nil && f.err == nil && f.hit.Tokens > n {
		target := l.spareSlot()
		l.empty(target)
		if l.restoreState(target, j.req.Tenant, f.loaded.State.Bytes(), f.loaded.Tokens, f.hit.Tokens) {
			l.began(string(f.loaded.Tier))
			l.branch(target, f.hit.Held)
			return target, f.hit.Tokens
		}
	}
	if n == 0 {
		target := l.spareSlot()
		l.empty(target)
		l.began("none")
		return target, 0
	}
	l.began("live")
	if l.store != nil {
		l.store.Touch(j.req.Tenant, j.prompt[:n])
	}
	if source.run == nil && l.beside(source) && l.inPlace(source, n) {
		l.truncate(source, n)
		return source, len(source.held)
	}
	return l.fork(source, n)
}

// began counts where a prompt's beginning came from.
func (l *loop) began(from string) {
	if l.count.Began == nil {
		l.count.Began = map[string]uint64{}
	}
	l.count.Began[from]++
}

// inPlace reports whether taking a free slot over for n of its tokens loses little: most of it is reused, or the rest is in
// the store, where it is put now if that is worth while.
func (l *loop) inPlace(s *slot, n int) bool {
	most := 2*n >= len(s.held)
	if most && n+keepFrom < len(s.held) {
		l.save(s)
	}
	return most
}

// fork makes another slot hold the first n tokens of source.
func (l *loop) fork(source *slot, n int) (*slot, int) {
	target := l.spareSlot()
	if target == source { // the only free one
		l.save(source)
		l.truncate(source, n)
		return source, len(source.held)
	}
	l.empty(target)
	if n < minReuse || n*fetchCost < len(source.held) {
		return target, 0
	}
	if !l.copyState(source, target, n) {
		return target, 0
	}
	l.branch(target, len(source.held))
	return target, n
}

// copyState makes target hold the first n tokens of source.
func (l *loop) copyState(source, target *slot, n int) bool {
	size := l.ctx.SeqSize(source.id)
	if l.store == nil {
		state := make([]byte, size)
		return l.ctx.SaveSeq(source.id, state) == size && l.restoreState(target, source.tenant, state, source.held, n)
	}
	state, err := l.store.Buffer(size) // memory that is at hand
	if err != nil {
		return false
	}
	defer state.Release()
	return l.ctx.SaveSeq(source.id, state.Bytes()) == size && l.restoreState(target, source.tenant, state.Bytes(), source.held, n)
}

// branch remembers a short beginning that long prompts share, such as a system prompt: fetching it alone is cheaper than
// fetching the whole of one of them. s holds just that; from is how long the state was that it came from.
func (l *loop) branch(s *slot, from int) {
	if l.store == nil || 2*len(s.held) > from {
		return
	}
	if h := l.store.Find(prefix.Query{Tenant: s.tenant, Prompt: s.held}); h.Tokens == len(s.held) && h.Held < 2*h.Tokens {
		return
	}
	l.keep(s, true)
}

// beside reports whether a slot is next to one that runs, or none runs. The library computes neighbours together, and
// sequences apart from each other one after the other; that costs more with every token than moving a state costs once.
func (l *loop) beside(s *slot) bool {
	if l.opt.KVTokens > 0 || s.id > 0 && l.slots[s.id-1].run != nil || s.id+1 < len(l.slots) && l.slots[s.id+1].run != nil {
		return true
	}
	return !slices.ContainsFunc(l.slots, func(o *slot) bool { return o.run != nil })
}

// spareSlot is the free slot beside those that run whose content is missed least: an empty one; then one whose content is
// in the store; then the one that was used least recently.
func (l *loop) spareSlot() *slot {
	var best *slot
	var least [3]int
	for i, s := range l.slots {
		if s.run != nil {
			continue
		}
		rank := [3]int{0, 0, int(s.used)} //nolint:gosec // a count of steps
		if !l.beside(s) {
			rank[0] = 1
		}
		switch {
		case len(s.held) == 0:
			rank[2] = i
		case s.saved >= len(s.held):
			rank[1] = 1
		default:
			rank[1] = 2
		}
		if best == nil || slices.Compare(rank[:], least[:]) < 0 {
			best, least = s, rank
		}
	}
	return best
}

// empty frees a slot's sequence, after keeping what is worth it.
func (l *loop) empty(s *slot) {
	if len(s.held) >= keepFrom && s.saved < len(s.held) {
		l.save(s)
	}
	l.clear(s)
}

// dirty is a free slot whose content only its sequence has, and is worth keeping.
func (l *loop) dirty() *slot {
	if l.store == nil {
		return nil
	}
	for _, s := range l.slots {
		if s.run == nil && len(s.held) >= keepFrom && s.saved < len(s.held) {
			return s
		}
	}
	return nil
}

// save puts the state of a slot into the store, unless it is there.
func (l *loop) save(s *slot) {
	if l.store == nil {
		return
	}
	if !l.store.Covers(s.tenant, s.held) {
		l.keep(s, false)
	}
	s.saved = len(s.held)
}

// keep puts the state of a slot into the store, and reports whether it is there.
func (l *loop) keep(s *slot, pinned bool) bool {
	size := l.ctx.SeqSize(s.id)
	if size == 0 {
		return false
	}
	state, err := l.store.Buffer(size)
	if err != nil {
		return false
	}
	if l.ctx.SaveSeq(s.id, state.Bytes()) != size {
		state.Release()
		return false
	}
	line := l.view().Line(curve.Prefill, 0)
	cost := max(1, line.Cost(l.facts.Batch)*time.Duration(len(s.held))/time.Duration(l.facts.Batch))
	return l.store.Put(prefix.Entry{Tenant: s.tenant, Tokens: slices.Clone(s.held), State: state, Cost: cost, Pinned: pinned})
}

// restoreState makes a slot hold the first n tokens of a state.
func (l *loop) restoreState(s *slot, tenant string, state []byte, tokens []llama.Token, n int) bool {
	if !l.ctx.LoadSeq(s.id, state) {
		l.clear(s)
		return false
	}
	s.tenant, s.held, s.saved = tenant, append(s.held[:0], tokens...), 0
	l.truncate(s, n)
	return len(s.held) == n
}

// truncate makes a slot forget all but its first n tokens, and everything where the model cannot forget a part.
func (l *loop) truncate(s *slot, n int) {
	if n == len(s.held) {
		return
	}
	if n == 0 || !l.ctx.Truncate(s.id, n) {
		l.clear(s)
		return
	}
	s.held = s.held[:n]
	s.saved = min(s.saved, n)
}

func (l *loop) clear(s *slot) {
	l.ctx.Clear(s.id)
	s.held, s.saved = s.held[:0], 0
}
