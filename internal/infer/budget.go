package infer

import (
	"context"
	"slices"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// job is a piece of work with all that is needed to send it off, once or once more.
type job struct {
	fleet  Fleet
	target Target
	item   core.QueueItem
	work   engine.GenerateRequest
	answer *answer
	used   *meter
}

func (j *job) start(ctx context.Context) (*core.Stream, error) {
	s, err := j.fleet.Generate(ctx, j.target, j.item, j.work)
	if err != nil {
		return nil, err
	}
	out := *s
	out.Events = j.used.watch(s.Events)
	return &out, nil
}

// What an effort of reasoning means to a model whose template takes none: so many tokens of reasoning at most. A high one has
// no bound.
const (
	lowEffort    = 512
	mediumEffort = 2048
)

// effortBudget is the budget that an effort stands for; 0 is none. Half of a limited answer is left for the answer proper.
func effortBudget(effort string, limit int) int {
	budget := 0
	switch effort {
	case "low":
		budget = lowEffort
	case "medium":
		budget = mediumEffort
	}
	if limit > 0 && budget > 0 {
		budget = max(1, min(budget, limit/2))
	}
	return budget
}

// bounded starts a request whose reasoning has a budget. Such a request is generated in two parts: the first ends with the
// budget; if the model still reasons there, its reasoning is closed for it; and the second part goes on from there, which
// costs little where the engine keeps the prefix of the first.
func (j *job) bounded(ctx context.Context, budget int) (*core.Stream, error) {
	whole := j.work.MaxTokens
	if whole > 0 && whole <= budget {
		return j.start(ctx)
	}
	j.work.MaxTokens = budget
	first, err := j.start(ctx)
	if err != nil {
		return nil, err
	}
	events := func(yield func(core.Event, error) bool) {
		var text strings.Builder
		var used core.Usage
		var last core.Event
		for ev, err := range first.Events {
			if err != nil {
				yield(core.Event{}, err)
				return
			}
			if ev.Usage != nil {
				used = *ev.Usage
				continue
			}
			text.WriteString(ev.Text)
			if last = ev; ev.Finish == core.FinishLength {
				ev.Finish = ""
			}
			if !yield(ev, nil) {
				return
			}
		}
		switch {
		case last.Finish != core.FinishLength:
		case used.Completion >= budget:
			j.second(ctx, text.String(), whole, used, yield)
			return
		case !yield(core.Event{Choice: last.Choice, Finish: core.FinishLength}, nil): // the context is full
			return
		}
		yield(core.Event{Usage: &used}, nil)
	}
	return &core.Stream{Placement: first.Placement, Events: events}, nil
}

// second continues an answer of which text was made.
func (j *job) second(ctx context.Context, text string, whole int, used core.Usage, yield func(core.Event, error) bool) {
	if j.answer.thinks != nil && j.answer.thinks(0) {
		closing := j.answer.form.Closing()
		text += closing
		if !yield(core.Event{Text: closing}, nil) {
			return
		}
	}
	if whole > 0 {
		j.work.MaxTokens = max(1, whole-used.Completion)
	} else {
		j.work.MaxTokens = 0
	}
	j.work.Prompt.Segments = slices.Concat(j.work.Prompt.Segments, marked(text, j.work.Reveal))
	stream, err := j.start(ctx)
	if err != nil {
		yield(core.Event{}, err)
		return
	}
	for ev, err := range stream.Events {
		ev.Start = nil // the first part told
		if ev.Usage != nil {
			used.Completion += ev.Usage.Completion
			used.Queued += ev.Usage.Queued
			used.Decode += ev.Usage.Prefill + ev.Usage.Decode
			ev.Usage = &used
		}
		if !yield(ev, err) {
			return
		}
	}
}

// marked is an answer as a part of a prompt. Only the markers of the model's form are control tokens in it.
func marked(text string, markers []string) []engine.Segment {
	var out []engine.Segment
	for text != "" {
		at, hit := len(text), ""
		for _, k := range markers {
			if i := strings.Index(text, k); i >= 0 && (i < at || i == at && len(k) > len(hit)) {
				at, hit = i, k
			}
		}
		if at > 0 {
			out = append(out, engine.Segment{Text: text[:at]})
		}
		if hit != "" {
			out = append(out, engine.Segment{Text: hit, Trusted: true})
		}
		text = text[at+len(hit):]
	}
	return out
}
