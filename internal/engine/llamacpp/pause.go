package llamacpp

import (
	"ashatai/internal/core"
	"ashatai/internal/native/llama"
)

// pause is what a sequence held when it gave its slot up. It waits in host memory.
type pause struct {
	state  []byte
	tokens []llama.Token
}

// room reports whether a choice may start: with one KV space for all, what it holds at once must fit beside what runs.
// Whatever idle sequences hold gives way.
func (l *loop) room(c *choice) bool {
	if l.opt.KVTokens == 0 {
		return true
	}
	need, used, running := len(c.job.prompt)+1, 0, 0
	if c.paused != nil {
		need = len(c.paused.tokens) + resumeSpace
	}
	for _, s := range l.slots {
		if s.run != nil {
			running++
			used += max(len(s.held), len(s.run.job.prompt))
		}
	}
	if running > 0 && used+need > l.cells {
		return false
	}
	for s := l.oldestIdle(); s != nil && used+l.idleTokens()+need > l.cells; s = l.oldestIdle() {
		l.empty(s)
	}
	return true
}

// resumeSpace is how many tokens must be free beside a paused sequence before it goes on, so that it does not pause again
// at once.
const resumeSpace = 64

// oldestIdle is the free slot with content that was used least recently.
func (l *loop) oldestIdle() *slot {
	var oldest *slot
	for _, s := range l.slots {
		if s.run == nil && len(s.held) > 0 && (oldest == nil || s.used < oldest.used) {
			oldest = s
		}
	}
	return oldest
}

func (l *loop) idleTokens() int {
	n := 0
	for _, s := range l.slots {
		if s.run == nil {
			n += len(s.held)
		}
	}
	return n
}

// makeRoom deals with a full KV space: what idle sequences hold goes, and where there is none the youngest request pauses.
// The step is tried again after it. A single sequence always has room, as the space holds a whole context.
func (l *loop) makeRoom(choices []*choice) {
	for _, c := range choices {
		l.restore(c)
	}
	if s := l.oldestIdle(); s != nil {
		l.empty(s)
		return
	}
	var youngest *slot
	running := 0
	for _, s := range l.slots {
		if s.run == nil {
			continue
		}
		if running++; youngest == nil || s.run.job.started.After(youngest.run.job.started) {
			youngest = s
		}
	}
	if running > 1 && l.suspend(youngest) {
		return
	}
	for _, c := range choices {
		l.fail(c.job, core.Errorf(core.CodeOutOfMemory, "The model's KV space is full. Use fewer sequences or a smaller context."))
	}
}

// suspend moves a running sequence to host memory, and its choice to the head of the queue.
func (l *loop) suspend(s *slot) bool {
	c := s.run
	state := make([]byte, l.ctx.SeqSize(s.id))
	if len(s.held) > 0 && l.ctx.SaveSeq(s.id, state) != len(state) {
		return false
	}
	c.paused = &pause{state: state, tokens: append([]llama.Token(nil), s.held...)}
	s.run, c.slot = nil, nil
	s.used = l.count.Steps
	l.clear(s)
	l.queue = append([]*choice{c}, l.queue...)
	l.count.Paused++
	return true
}

// resume lets a paused choice go on where it was.
func (l *loop) resume(c *choice) error {
	s := l.spareSlot()
	l.empty(s)
	p := c.paused
	if len(p.tokens) > 0 && !l.restoreState(s, c.job.req.Tenant, p.state, p.tokens, len(p.tokens)) {
		return core.Errorf(core.CodeInternal, "A paused answer could not be continued. Send the request again.")
	}
	c.paused = nil
	l.take(s, c)
	return nil
}
