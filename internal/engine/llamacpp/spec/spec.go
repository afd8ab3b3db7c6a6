// Package spec guesses how a text goes on, without a second model: what stood after the same tokens before, in the prompt
// or in the answer, may well follow again. It proposes drafts, learns from what really came, and proposes none where
// checking them costs more than it saves. It is pure; checking a draft is the caller's.
package spec

import (
	"time"

	"ashatai/internal/engine/llamacpp/curve"
)

// Costs are the times that a draft is weighed with.
type Costs struct {
	Plain   time.Duration // a step with one token for each running stream
	Rest    time.Duration // the same step without this stream; 0 when it is alone
	Streams int           // running streams, this one included
	Verify  curve.Line    // a call with so many rows of this sequence
	Waiting int           // rows of the call that are computed with or without a draft, beyond the first
}

// verify is what a call with so many rows costs, less the rows that cost what they cost without a draft too.
func (c Costs) verify(rows int) time.Duration {
	d := c.Verify.Cost(rows + c.Waiting)
	if c.Waiting > 0 {
		d += c.Verify.Cost(1) - c.Verify.Cost(1+c.Waiting)
	}
	return d
}

const (
	// MaxDraft is the longest draft, in tokens.
	MaxDraft = 127

	margin   = 1.05 // how much faster a draft must promise to be
	interest = 0.01 // of the time of plain steps that drafts may lose in the long run
	trust    = 10   // plain steps that drafts may lose on top of that
	savings  = 40   // plain steps of gain that are remembered at most
	search   = 8    // tokens after a change in a copy for which its continuation is expected nearby
)

// Speculator proposes drafts for one sequence. It has one owner.
type Speculator struct {
	index *index
	odds  odds
	now   match // where the text seems to repeat
	start int   // where the source of the copy at now begins
	near  int   // where a copy would be if it had gone on
	lost  int   // tokens since it did not
	left  departure
	changes
	asked Costs   // of the last draft
	bank  float64 // plain steps won by drafts, less what they lost, plus interest; never below -trust
}

// New makes a Speculator that remembers so many tokens of its sequence.
func New(window int) *Speculator { return &Speculator{index: newIndex(window)} }

// lesson is how many tokens at the end of a prompt are watched for how well it repeats itself. A prompt that shows how a text
// is to be copied is the best sign that the answer will copy too.
const lesson = 512

// Prompt adds the tokens of a prompt, or of any text that this sequence did not generate.
func (s *Speculator) Prompt(tokens []int32) {
	for i, t := range tokens {
		if i < len(tokens)-lesson {
			s.index.add(t)
		} else {
			s.follow(t)
		}
	}
	s.now, s.lost, s.near = s.index.find(-1), search, 0
	s.start = s.now.next - s.now.length
}

// Add adds a generated token, drafted or not, in order.
func (s *Speculator) Add(t int32) {
	s.bank = min(s.bank+interest, savings)
	s.follow(t)
}

// Forced adds a token to which there was no alternative, so that it teaches nothing about repetitions.
func (s *Speculator) Forced(t int32) { s.append(t, false) }

// follow adds a token and learns from whether it is what the match at hand let expect.
func (s *Speculator) follow(t int32) { s.append(t, true) }

func (s *Speculator) append(t int32, learn bool) {
	m, before := s.now, len(s.index.tokens)
	then, went := match{}, false
	if m.length > 0 {
		then, went = s.judge(m, t, learn)
	}
	s.index.add(t)
	forgot := before + 1 - len(s.index.tokens)
	if forgot > 0 {
		s.start, s.left.open = max(0, s.start-forgot), false
	}
	if then.next -= forgot; !went || then.next <= 0 {
		s.search(m, forgot)
		return
	}
	then.length = min(m.length+1, longest)
	s.now = then
	if s.left.open && then.via == nil {
		s.back(then.next)
	}
}

// judge compares the token that came with the one that a copy at m let expect. It returns where the copy is now, and
// whether it goes on.
func (s *Speculator) judge(m match, t int32, learn bool) (match, bool) {
	c := m.via
	if c == nil {
		c = s.at(s.index.tokens, m.next)
	}
	want, then := s.step(m)
	if learn {
		s.odds.tell(m.length, want == t)
	}
	switch {
	case c == nil:
	case m.via == nil && !c.applies():
		if want == t {
			c.tell(false)
		}
	case want != t:
		c.tell(false)
		if m.via == nil && s.index.tokens[m.next] == t { // this time the source was kept
			return match{next: m.next + 1}, true
		}
	case then.via == nil:
		c.tell(true)
	}
	return then, want == t
}

// step is the token that a copy at m lets expect, and where the copy is after it.
func (s *Speculator) step(m match) (int32, match) {
	if m.via == nil {
		if c := s.at(s.index.tokens, m.next); c != nil && c.applies() {
			m.via, m.made = c, 0
		}
	}
	if c := m.via; c != nil && m.made < len(c.to) {
		t := c.to[m.made]
		if m.made++; m.made == len(c.to) {
			m = match{next: m.next + len(c.from), length: m.length}
		}
		return t, m
	} else if c != nil { // nothing comes instead
		m = match{next: m.next + len(c.from), length: m.length}
	}
	m.next++
	return s.index.tokens[m.next-1], m
}

// search looks for another place after the text has left m.
func (s *Speculator) search(m match, forgot int) {
	if m.length > 0 {
		s.lost, s.near = 0, m.next
		if !s.left.open && forgot == 0 {
			s.left = departure{open: true, source: m.next, text: len(s.index.tokens) - 1 - m.made}
		}
	}
	s.lost++
	s.near += 1 - forgot
	near := -1
	if s.lost <= search && s.near > 0 {
		near = s.near
	}
	if s.now = s.index.find(near); s.now.length == 0 && near > 0 {
		s.now = s.index.resume(near)
	}
	if near < 0 || s.now.length > 0 && distance(s.now.next, near) > maxChange { // another copy
		s.start, s.left.open = s.now.next-s.now.length, false
	}
}

// Draft appends to dst the tokens that are worth checking in one call after the sequence's last token, at most limit;
// none when a plain step is as good. The call has a row more than the draft has tokens.
func (s *Speculator) Draft(dst []int32, c Costs, limit int) []int32 {
	s.asked = c
	n := s.length(c, min(limit, MaxDraft))
	if n == 0 {
		return dst
	}
	return s.copy(dst, n)
}

// copy appends the n tokens that the match at hand lets expect. Where it reaches into the present end, the text goes on in
// circles.
func (s *Speculator) copy(dst []int32, n int) []int32 {
	m := s.now
	for range n {
		var t int32
		t, m = s.step(m)
		dst = append(dst, t)
		if m.next >= len(s.index.tokens) {
			m = match{next: s.now.next}
		}
	}
	return dst
}

// length is the number of drafted tokens with the most expected tokens per time.
func (s *Speculator) length(c Costs, limit int) int {
	if s.now.length == 0 || limit < 1 || c.Plain <= 0 || c.Streams < 1 {
		return 0
	}
	odds := s.odds.table()
	others := float64(c.Streams - 1)
	best, most := 0, margin*float64(c.Streams)/float64(c.Plain)
	expected, sure, done := 1.0, 1.0, 0
	for _, rows := range curve.Sizes() {
		if rows-1 > limit {
			break
		}
		for ; done < rows-1; done++ {
			sure *= odds[bin(min(s.now.length+done, longest))]
			expected += sure
		}
		if rows < 2 || s.loss(c, rows, 1) > s.bank+trust {
			continue
		}
		if rate := (others + expected) / float64(c.Rest+c.verify(rows)); rate > most {
			best, most = rows-1, rate
		}
	}
	return best
}

// loss is what a call with so many rows that made so many tokens cost more than plain steps, in plain steps of this
// stream alone; a gain is negative.
func (s *Speculator) loss(c Costs, rows, made int) float64 {
	share := float64(c.Plain) / float64(c.Streams) // of one token in a plain step
	longer := float64(c.Rest+c.verify(rows)) - float64(c.Plain)
	return (longer - float64(made-1)*share) / share
}

// Observe says how a draft ended: of so many drafted tokens so many were accepted, and one more came from the model.
// Every token of them is also told to Add or Forced.
func (s *Speculator) Observe(drafted, accepted int) {
	if drafted > 0 && s.asked.Plain > 0 {
		s.bank = min(s.bank-s.loss(s.asked, drafted+1, accepted+1), savings)
	}
}

// Odds is the acceptance that the next drafted token may hope for, for logs and metrics; 0 when the text does not repeat.
func (s *Speculator) Odds() float64 {
	if s.now.length == 0 {
		return 0
	}
	return s.odds.table()[bin(s.now.length)]
}
