package reply

import (
	"slices"
	"strings"

	"ashatai/internal/chat/reply/lark"
)

// family is one way to write calls.
type family interface {
	// markers are the texts around a call that may be control tokens.
	markers() []string
	// start is the state in which an answer begins.
	start() state
	// grammar writes the rules that hold a model to this form.
	grammar(g *lark.Grammar)
}

// Form is how a model writes its answers. The zero Form is plain text without reasoning, and calls in the plain form.
type Form struct {
	calls family
	think thought
}

// Plain is the form that a model without one is asked for.
func Plain() Form { return Form{} }

// Detect guesses a model's form by the text of its chat template. Whether the template really writes calls in this form
// is for the caller to try; where it does not, WithoutCalls is right.
func Detect(template string) Form {
	has := func(all ...string) bool {
		return !slices.ContainsFunc(all, func(s string) bool { return !strings.Contains(template, s) })
	}
	f := Form{think: detectThought(has)}
	switch {
	case has(harmonyChannel, harmonyMessage, harmonyStart):
		return Form{calls: harmony{}}
	case has(deepseekCall, deepseekSep):
		f.calls = deepseek{fenced: has("```json")}
	case has(mistralCalls):
		f.calls = mistral{args: has(mistralArgs), id: has(mistralID)}
	case has(gemmaOpen):
		f.calls = gemma{}
	default:
		f.calls = detectTags(has)
		if f.calls == nil {
			f.calls = detectMarks(has)
		}
	}
	return f
}

// detectTags guesses among the families that write parameters in tags, and hermes, whose tags some of them share.
func detectTags(has func(...string) bool) family {
	switch {
	case has(dsml):
		section := "tool_calls"
		if has("function_calls") {
			section = "function_calls"
		}
		return deepseekTags(section)
	case has(minimaxOpen, "<invoke name="):
		return minimax()
	case has(seedOpen):
		return seed()
	case has("arg_key", hunyuanMark):
		return hunyuan3()
	case has(glmKey):
		return glm()
	case has(minicpmCall):
		return minicpm()
	case has(hermesOpen, coderFunction):
		return coder()
	case has(hermesOpen):
		return hermes{}
	case has(coderFunction):
		return functionary()
	}
	return nil
}

// detectMarks guesses among the families that write JSON, or Python, between marks.
func detectMarks(has func(...string) bool) family {
	switch {
	case has(graniteCalls):
		return granite()
	case has(kimiCalls):
		return kimi()
	case has(solarCall):
		return solar()
	case has(cohereCalls):
		return cohere()
	case has(lfmOpen), has("<|tool_list_start|>"):
		return pythonic{}
	case has(nemotronCalls):
		return section{open: nemotronCalls, close: "</TOOLCALL>"}
	case has(apertusCalls):
		return apertus()
	case has(gigachatCalls):
		return section{open: gigachatCalls, lines: true}
	case has(listedCalls):
		return section{open: listedCalls, close: "</tool_calls>", lines: !has(listedCalls + "[")}
	case has(`"parameters": `):
		return llama{}
	}
	return nil
}

func detectThought(has func(...string) bool) thought {
	switch {
	case has("[THINK]", "[/THINK]"):
		return thought{open: "[THINK]", close: "[/THINK]"}
	case has("<|channel>thought", "<channel|>"):
		return thought{open: "<|channel>", label: "thought", close: "<channel|>"}
	case has("<seed:think>"):
		return thought{open: "<seed:think>", close: "</seed:think>"}
	case has("<|START_THINKING|>"):
		return thought{open: "<|START_THINKING|>", close: "<|END_THINKING|>", wrap: []string{"<|START_RESPONSE|>", "<|END_RESPONSE|>"}}
	case has("<mm:think>"):
		return thought{open: "<mm:think>", close: "</mm:think>"}
	case has("<think{}>", hunyuanMark):
		return thought{open: "<think" + hunyuan, close: "</think" + hunyuan}
	case has("<think>", "<response>", "<|start_of_role|>"):
		return thought{open: "<think>", close: "</think>", wrap: []string{"<response>", "</response>"}}
	case has("</think>"):
		return thought{open: "<think>", close: "</think>"}
	}
	return thought{}
}

// WithoutCalls is f with calls in the plain form.
func (f Form) WithoutCalls() Form {
	if f.Channels() {
		return f // its answers cannot be read in any other way
	}
	f.calls = nil
	return f
}

// Calls reports whether the form has calls of its own, which are not the plain ones.
func (f Form) Calls() bool { return f.calls != nil }

// OneCall reports whether a turn of this form holds one call at most.
func (f Form) OneCall() bool {
	_, whole := f.calls.(llama)
	return whole || f.Channels()
}

// Channels reports whether an answer is always a row of messages, the last of which is the answer proper.
func (f Form) Channels() bool {
	_, ok := f.calls.(harmony)
	return ok
}

// Thinks reports whether models of this form reason before they answer, at least when asked to.
func (f Form) Thinks() bool {
	return f.Channels() || f.think.open != ""
}

// Opened reports whether a prompt ends within the reasoning, so that the answer begins in it.
func (f Form) Opened(prompt string) bool {
	return f.think.open != "" && strings.HasSuffix(strings.TrimRight(prompt, " \t\r\n"), f.think.open+f.think.label)
}

// Closing is what a model writes between its reasoning and its answer. Without reasoning it is empty.
func (f Form) Closing() string {
	switch {
	case f.Channels():
		return harmonyEnd + harmonyStart + "assistant" + harmonyChannel + "final" + harmonyMessage
	case f.think.open == "<think>":
		return "\n" + f.think.close + "\n\n"
	}
	return f.think.close
}

// Begun is a text that puts a fresh reader into the middle of an answer's text, past reasoning and headers. What the reader
// makes of it is to be dropped.
func (f Form) Begun() string {
	if f.Channels() {
		return harmonyChannel + "final" + harmonyMessage
	}
	return "…"
}

// Bounded reports whether Grammar can bound the reasoning, given the control tokens of the model.
func (f Form) Bounded(token func(marker string) (int, bool)) bool {
	end := f.think.close
	if f.Channels() {
		end = harmonyEnd
	}
	_, ok := token(end)
	return ok
}

// Markers are the texts that a reader must see to read answers with calls, or without. Some of them are control tokens
// in the models of this form.
func (f Form) Markers(calls bool) []string {
	var out []string
	if f.think.open != "" {
		out = append(out, f.think.open, f.think.close)
		out = append(out, f.think.wrap...)
	}
	if calls || f.Channels() {
		out = append(out, f.family().markers()...)
	}
	return out
}

// Demand is what an answer must be like.
type Demand = lark.Demand

// Grammar is the demand as a grammar in llguidance's variant of Lark, for this form.
func (f Form) Grammar(d Demand) string {
	g := lark.New(d, lark.Thought{Open: f.think.open, Label: f.think.label, Close: f.think.close})
	switch {
	case f.Channels():
		f.calls.grammar(g)
	case len(d.Tools) == 0:
		g.Only()
	default:
		f.family().grammar(g)
	}
	if !f.Channels() {
		g.Reasoning()
	}
	g.Answered()
	return g.String()
}

func (f Form) family() family {
	if f.calls == nil {
		return hermes{}
	}
	return f.calls
}
