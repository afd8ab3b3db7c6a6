package lark

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ashatai/internal/chat/reply/jsontext"
	"ashatai/internal/core"
)

// Demand is what an answer must be like.
type Demand struct {
	Tools  []core.Tool // the tools that may be called
	Free   bool        // text is an answer too, and may stand before calls
	Exact  bool        // arguments follow the schemas of all tools; else only those of strict tools
	Single bool        // one call at most
	Answer string      // JSON schema of an answer in text; with Tools an answer is this or calls, and Free is not looked at
	Thinks bool        // reasoning may come first
	Opened bool        // the answer begins within the reasoning
	Budget int         // most tokens of reasoning; 0: no bound. It needs a control token at the reasoning's end, see Bounded.
	// Token is the id of the control token that is written so, where the model has one. A marker that is none is text.
	Token func(marker string) (id int, ok bool)
}

// Thought is how reasoning is marked.
type Thought struct {
	Open, Label, Close string // Label belongs to the opening mark; an empty Open: there is no reasoning
}

// New begins a grammar.
func New(d Demand, t Thought) *Grammar { return &Grammar{Demand: d, think: t} }

// Grammar is a grammar that is being written.
type Grammar struct {
	Demand
	think Thought
	b     strings.Builder
}

// Part is an element of a rule's body, as it stands in Lark.
type Part func(g *Grammar) string

// Lit is a text.
func Lit(s string) Part {
	return func(*Grammar) string {
		if s == "" {
			return ""
		}
		return jsontext.Quoted(s)
	}
}

// Tok is a marker: a control token, or text where the model has no such token.
func Tok(marker string) Part {
	return func(g *Grammar) string {
		if id, ok := g.Token(marker); ok {
			return "<[" + strconv.Itoa(id) + "]>"
		}
		return jsontext.Quoted(marker)
	}
}

// Pattern is a regular expression without a slash.
func Pattern(s string) Part { return func(*Grammar) string { return "/" + s + "/" } }

// Ref is another rule, or anything else that is Lark already.
func Ref(s string) Part { return func(*Grammar) string { return s } }

func (g *Grammar) join(parts ...Part) string {
	var out []string
	for _, p := range parts {
		if s := p(g); s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, " ")
}

// Rule writes a rule.
func (g *Grammar) Rule(name string, alternatives ...Part) {
	out := make([]string, len(alternatives))
	for i, a := range alternatives {
		out[i] = a(g)
	}
	fmt.Fprintf(&g.b, "%s: %s\n", name, strings.Join(out, "\n  | "))
}

// Mixed is a text in which markers may stand that are control tokens.
func Mixed(s string, markers []string) Part {
	return func(g *Grammar) string {
		for _, k := range markers {
			before, after, ok := strings.Cut(s, k)
			if _, known := g.Token(k); ok && known {
				return g.join(Mixed(before, markers), Tok(k), Mixed(after, markers))
			}
		}
		return Lit(s)(g)
	}
}

// Answered writes the rule of an answer in text, where there may be one.
func (g *Grammar) Answered() {
	if g.Answer != "" {
		g.Rule("answer", Ref("%json "+g.Answer))
	}
}

// Only writes the rules of an answer without calls.
func (g *Grammar) Only() { g.start(Ref("answer")) }

// String is the grammar as it was written so far.
func (g *Grammar) String() string { return g.b.String() }

// Seq is parts in a row.
func Seq(parts ...Part) Part { return func(g *Grammar) string { return g.join(parts...) } }

// start writes the start rule: the reasoning, where there may be some, then one of the alternatives.
func (g *Grammar) start(alternatives ...Part) {
	switch {
	case g.think.Open == "":
		g.Rule("start", Ref("body"))
	case g.Opened:
		g.Rule("start", Ref("thought body"))
	case g.Thinks:
		g.Rule("start", Ref("body"), Ref("opening thought body"))
	default:
		g.Rule("start", Ref("body"))
	}
	g.Rule("body", alternatives...)
}

// Anything is any text.
const Anything = `/(?s:.*)/`

// UpTo is the rule of any text up to a marker, the marker included, of at most budget tokens where budget is not zero.
func (g *Grammar) UpTo(rule, marker string, budget int) {
	id, ok := g.Token(marker)
	switch {
	case ok && budget > 0:
		fmt.Fprintf(&g.b, "%s: bounded <[%d]>\nbounded[max_tokens=%d]: %s\n", rule, id, budget, Anything)
		return
	case ok:
		fmt.Fprintf(&g.b, "%s: %s <[%d]>\n", rule, Anything, id)
		return
	}
	fmt.Fprintf(&g.b, "%s[suffix=%s]: %s\n", rule, jsontext.Quoted(marker), Anything)
}

// Reasoning writes the rules of the reasoning.
func (g *Grammar) Reasoning() {
	if g.think.Open == "" || !g.Thinks && !g.Opened {
		return
	}
	if !g.Opened {
		g.Rule("opening", Seq(Tok(g.think.Open), Lit(g.think.Label)))
	}
	g.UpTo("reasoning", g.think.Close, g.Budget)
	g.Rule("thought", Seq(Ref("reasoning"), Pattern(`\n{0,2}`)))
}

// CallForm is how a family writes calls: the trigger and open, then calls with between in between, then close. Without
// open and close every call has a trigger of its own.
type CallForm struct {
	Trigger     string
	Open, Close []Part
	Before      func(name string) []Part // up to the arguments
	After       []Part
	Between     []Part
}

// Calls writes the rules of a form with a trigger.
func (g *Grammar) Calls(f CallForm) {
	section := f.Open != nil || f.Close != nil
	lead := Tok(f.Trigger)
	more := Seq(append(slices.Clone(f.Between), Ref(callRule))...)
	if !section {
		more = Seq(append(slices.Clone(f.Between), Tok(f.Trigger), Ref(callRule))...)
	}
	body := []Part{Ref("calls")}
	if g.free() {
		body = []Part{Ref("text"), Ref("text_before calls")}
	} else if g.Answer != "" {
		body = append(body, Ref("answer"))
	}
	g.start(body...)
	if g.free() {
		g.Rule("text", Ref(Anything))
		g.UpTo("text_before", f.Trigger, 0)
		lead = nil // the text before it has taken it
	}
	var all []Part
	if lead != nil {
		all = append(all, lead)
	}
	all = append(append(all, f.Open...), Ref(callRule))
	if !g.Single {
		all = append(all, Ref("("+more(g)+")*"))
	}
	g.Rule("calls", Seq(append(all, f.Close...)...))
	g.Calling(f.Before, f.After)
}

func (g *Grammar) free() bool { return g.Free && g.Answer == "" }

// Whole writes the rules of a form in which a call is the whole answer, and text does not begin like one.
func (g *Grammar) Whole(f CallForm) {
	body := []Part{Ref(callRule)}
	switch {
	case g.Answer != "":
		body = append(body, Ref("answer"))
	case g.Free:
		body = append(body, Ref(`/([^{](?s:.*))?/`))
	}
	g.start(body...)
	g.Calling(f.Before, f.After)
}

// callRule is the rule of a call; each tool has one of its own, with its number behind.
const callRule = "call"

// ToolOf is which of the demanded tools a rule writes calls of; -1: of none.
func ToolOf(rule string) int {
	number, ok := strings.CutPrefix(rule, callRule+"_")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return -1
	}
	return n
}

// Calling writes the rule "call", with one for every tool.
func (g *Grammar) Calling(before func(string) []Part, after []Part) {
	var all []Part
	for i := range g.Tools {
		all = append(all, Ref(callRule+"_"+strconv.Itoa(i)))
	}
	g.Rule(callRule, all...)
	for i, t := range g.Tools {
		p := append(before(t.Name), Ref("%json "+g.schema(t)))
		g.Rule(callRule+"_"+strconv.Itoa(i), Seq(append(p, after...)...))
	}
}

// spacing is how arguments are written: as templates write them, and without a choice that a model could get lost in.
const spacing = `{"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": false}`

// schema is the schema of a tool's arguments, which are always an object.
func (g *Grammar) schema(t core.Tool) string {
	top := map[string]json.RawMessage{}
	if g.Exact || t.Strict {
		if len(t.Parameters) == 0 {
			return `{"type": "object", "properties": {}, "additionalProperties": false, "x-guidance": ` + spacing + "}"
		}
		_ = json.Unmarshal(t.Parameters, &top) // the caller checked that it is an object
		if namesAll(top) {
			top["additionalProperties"] = json.RawMessage("false")
		}
	}
	top["type"] = json.RawMessage(`"object"`)
	top["x-guidance"] = json.RawMessage(spacing)
	out, err := json.Marshal(top)
	if err != nil {
		return `{"type": "object"}`
	}
	return string(out)
}

// namesAll reports whether a schema says nothing of arguments but those it names. A schema then allows any others, which no
// function expects and small models make up.
func namesAll(top map[string]json.RawMessage) bool {
	for key := range top {
		switch key {
		case "type", "properties", "required", "title", "description", "$schema", "$defs", "definitions":
		default:
			return false
		}
	}
	return true
}
