package reply

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

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

// Grammar is the demand as a grammar in llguidance's variant of Lark, for this form.
func (f Form) Grammar(d Demand) string {
	g := &grammar{Demand: d, think: f.think}
	if f.Channels() {
		g.harmony()
		return g.b.String()
	}
	switch {
	case len(d.Tools) == 0:
		g.start(ref("answer"))
	default:
		f.family().grammar(g)
	}
	g.thinking()
	if d.Answer != "" {
		g.rule("answer", raw("%json "+d.Answer))
	}
	return g.b.String()
}

// grammar is a grammar that is being written.
type grammar struct {
	Demand
	think thought
	b     strings.Builder
}

// part is an element of a rule's body, as it stands in Lark.
type part func(g *grammar) string

// lit is a text.
func lit(s string) part {
	return func(*grammar) string {
		if s == "" {
			return ""
		}
		return quoted(s)
	}
}

// tok is a marker: a control token, or text where the model has no such token.
func tok(marker string) part {
	return func(g *grammar) string {
		if id, ok := g.Token(marker); ok {
			return "<[" + strconv.Itoa(id) + "]>"
		}
		return quoted(marker)
	}
}

// pattern is a regular expression without a slash.
func pattern(s string) part { return func(*grammar) string { return "/" + s + "/" } }

// ref is another rule, or anything else that is Lark already.
func ref(s string) part { return func(*grammar) string { return s } }

func raw(s string) part { return ref(s) }

func (g *grammar) join(parts ...part) string {
	var out []string
	for _, p := range parts {
		if s := p(g); s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, " ")
}

func (g *grammar) rule(name string, alternatives ...part) {
	out := make([]string, len(alternatives))
	for i, a := range alternatives {
		out[i] = a(g)
	}
	fmt.Fprintf(&g.b, "%s: %s\n", name, strings.Join(out, "\n  | "))
}

// seq is parts in a row.
func seq(parts ...part) part { return func(g *grammar) string { return g.join(parts...) } }

// start writes the start rule: the reasoning, where there may be some, then one of the alternatives.
func (g *grammar) start(alternatives ...part) {
	switch {
	case g.think.open == "":
		g.rule("start", ref("body"))
	case g.Opened:
		g.rule("start", ref("thought body"))
	case g.Thinks:
		g.rule("start", ref("body"), ref("opening thought body"))
	default:
		g.rule("start", ref("body"))
	}
	g.rule("body", alternatives...)
}

// anything is any text.
const anything = `/(?s:.*)/`

// upTo is any text up to a marker, the marker included, of at most budget tokens where budget is not zero.
func (g *grammar) upTo(rule, marker string, budget int) {
	id, ok := g.Token(marker)
	switch {
	case ok && budget > 0:
		fmt.Fprintf(&g.b, "%s: bounded <[%d]>\nbounded[max_tokens=%d]: %s\n", rule, id, budget, anything)
		return
	case ok:
		fmt.Fprintf(&g.b, "%s: %s <[%d]>\n", rule, anything, id)
		return
	}
	fmt.Fprintf(&g.b, "%s[suffix=%s]: %s\n", rule, quoted(marker), anything)
}

// thinking writes the rules of the reasoning.
func (g *grammar) thinking() {
	if g.think.open == "" || !g.Thinks && !g.Opened {
		return
	}
	if !g.Opened {
		g.rule("opening", seq(tok(g.think.open), lit(g.think.label)))
	}
	g.upTo("reasoning", g.think.close, g.Budget)
	g.rule("thought", seq(ref("reasoning"), pattern(`\n{0,2}`)))
}

// callForm is how a family writes calls: the trigger and open, then calls with between in between, then close. Without
// open and close every call has a trigger of its own.
type callForm struct {
	trigger     string
	open, close []part
	before      func(name string) []part // up to the arguments
	after       []part
	between     []part
}

// calls writes the rules of a form with a trigger.
func (g *grammar) calls(f callForm) {
	one := "call"
	section := f.open != nil || f.close != nil
	lead := tok(f.trigger)
	more := seq(append(slices.Clone(f.between), ref(one))...)
	if !section {
		more = seq(append(slices.Clone(f.between), tok(f.trigger), ref(one))...)
	}
	body := []part{ref("calls")}
	if g.free() {
		body = []part{ref("text"), ref("text_before calls")}
	} else if g.Answer != "" {
		body = append(body, ref("answer"))
	}
	g.start(body...)
	if g.free() {
		g.rule("text", raw(anything))
		g.upTo("text_before", f.trigger, 0)
		lead = nil // the text before it has taken it
	}
	var all []part
	if lead != nil {
		all = append(all, lead)
	}
	all = append(append(all, f.open...), ref(one))
	if !g.Single {
		all = append(all, raw("("+more(g)+")*"))
	}
	g.rule("calls", seq(append(all, f.close...)...))
	g.tools(one, f.before, f.after)
}

func (g *grammar) free() bool { return g.Free && g.Answer == "" }

// whole writes the rules of a form in which a call is the whole answer, and text does not begin like one.
func (g *grammar) whole(f callForm) {
	body := []part{ref("call")}
	switch {
	case g.Answer != "":
		body = append(body, ref("answer"))
	case g.Free:
		body = append(body, raw(`/([^{](?s:.*))?/`))
	}
	g.start(body...)
	g.tools("call", f.before, f.after)
}

// tools writes a rule for every tool.
func (g *grammar) tools(name string, before func(string) []part, after []part) {
	var all []part
	for i := range g.Tools {
		all = append(all, ref(name+"_"+strconv.Itoa(i)))
	}
	g.rule(name, all...)
	for i, t := range g.Tools {
		p := append(before(t.Name), raw("%json "+g.schema(t)))
		g.rule(name+"_"+strconv.Itoa(i), seq(append(p, after...)...))
	}
}

// spacing is how arguments are written: as templates write them, and without a choice that a model could get lost in.
const spacing = `{"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": false}`

// schema is the schema of a tool's arguments, which are always an object.
func (g *grammar) schema(t core.Tool) string {
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

// harmony writes the rules of the channels.
func (g *grammar) harmony() {
	var body []part
	final := seq(tok(harmonyChannel), lit("final"), tok(harmonyMessage))
	if len(g.Tools) > 0 {
		body = append(body, ref("call"))
	}
	switch {
	case g.Answer != "":
		body = append(body, seq(final, ref("answer")))
	case g.Free:
		body = append(body, seq(final, raw(anything)))
	}
	g.rule("start", ref("body"), seq(tok(harmonyChannel), lit("analysis"), tok(harmonyMessage), ref("analysis"), tok(harmonyStart), lit("assistant"), ref("body")))
	g.rule("body", body...)
	g.upTo("analysis", harmonyEnd, g.Budget)
	if len(g.Tools) > 0 {
		g.tools("call", func(name string) []part {
			return []part{tok(harmonyChannel), lit("commentary to=functions." + name + " "), tok(harmonyConstrain), lit("json"), tok(harmonyMessage)}
		}, nil)
	}
	if g.Answer != "" {
		g.rule("answer", raw("%json "+g.Answer))
	}
}
