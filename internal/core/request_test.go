package core

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestSamplingBounds(t *testing.T) {
	f := func(v float64) *float64 { return &v }
	i := func(v int) *int { return &v }
	big := map[int]float64{}
	for k := range MaxLogitBias + 1 {
		big[k] = 0
	}
	for name, s := range map[string]Sampling{
		"temperature":       {Temperature: f(-0.1)},
		"temperature ":      {Temperature: f(math.NaN())},
		"temperature  ":     {Temperature: f(math.Inf(1))},
		"top_p":             {TopP: f(0)},
		"top_p ":            {TopP: f(1.01)},
		"min_p":             {MinP: f(-1)},
		"typical_p":         {TypicalP: f(0)},
		"repeat_penalty":    {RepeatPenalty: f(0)},
		"presence_penalty":  {PresencePenalty: f(3)},
		"frequency_penalty": {FrequencyPenalty: f(-3)},
		"top_k":             {TopK: i(-1)},
		"repeat_last_n":     {RepeatLastN: i(-2)},
		"logit_bias":        {LogitBias: map[int]float64{1: 101}},
		"logit_bias ":       {LogitBias: map[int]float64{-1: 0}},
		"logit_bias  ":      {LogitBias: big},
	} {
		e := AsError(s.Validate())
		if e == nil || e.Code != CodeInvalidRequest || e.Param != strings.TrimSpace(name) {
			t.Errorf("%s: %v", name, e)
		}
	}
	good := Sampling{Temperature: f(0), TopP: f(1), MinP: f(0), TypicalP: f(1), RepeatPenalty: f(1), TopK: i(0), RepeatLastN: i(-1), LogitBias: map[int]float64{5: -100}}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

func TestSamplingOver(t *testing.T) {
	one, two, seed := 1.0, 2.0, int64(7)
	got := Sampling{Temperature: &one}.Over(Sampling{Temperature: &two, TopP: &two, Seed: &seed, LogitBias: map[int]float64{1: 1}})
	if *got.Temperature != 1 || *got.TopP != 2 || *got.Seed != 7 || len(got.LogitBias) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestRequestBounds(t *testing.T) {
	for name, r := range map[string]Request{
		"max_tokens":   {MaxTokens: -1},
		"n":            {Choices: MaxChoices + 1},
		"top_logprobs": {TopLogprobs: MaxTopLogprobs + 1},
		"stop":         {Stop: []string{""}},
		"stop ":        {Stop: make([]string, MaxStops+1)},
		"stop  ":       {Stop: []string{strings.Repeat("x", MaxStopBytes+1)}},
		"messages":     {Messages: make([]Message, MaxMessages+1)},
	} {
		e := AsError(r.Validate())
		if e == nil || e.Param != strings.TrimSpace(name) {
			t.Errorf("%s: %v", name, e)
		}
	}
	bad := -1.0
	if err := (&Request{Sampling: Sampling{Temperature: &bad}}).Validate(); err == nil {
		t.Error("a bad temperature passed")
	}
	if err := (&Request{Stop: []string{"\n"}, MaxTokens: 5, Choices: 2}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("disk on fire")
	e := Wrap(CodeDiskFull, cause, "No space for %d bytes.", 5)
	if e.Message != "No space for 5 bytes." || !errors.Is(e, cause) || !strings.Contains(e.Error(), "disk on fire") {
		t.Errorf("%v", e)
	}
	if AsError(fmt.Errorf("while pulling: %w", e)) != e {
		t.Error("the coded error is lost in a chain")
	}
	for err, want := range map[error]Code{
		nil: "", context.Canceled: CodeCancelled, context.DeadlineExceeded: CodeDeadline, cause: CodeInternal,
		Errorf(CodeConflict, "x"): CodeConflict, Invalid("p", "x"): CodeInvalidRequest,
	} {
		if got := CodeOf(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
	if strings.Contains(AsError(cause).Message, "fire") {
		t.Error("a private cause is shown")
	}
	if (&Error{Code: CodeConflict, Message: "m"}).Error() != "conflict: m" {
		t.Error("the text of an error without a cause")
	}
}

func TestUsage(t *testing.T) {
	if (Usage{Prompt: 3, Cached: 2, Completion: 4}).Total() != 7 {
		t.Error("cached tokens are a part of the prompt")
	}
}
