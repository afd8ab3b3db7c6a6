package lark_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/chat/reply/lark"
	"ashatai/internal/core"
)

// A form with a trigger, one whose calls are the whole answer, and none: with text, with reasoning, with an answer by a schema.
func TestGrammar(t *testing.T) {
	t.Parallel()
	tool := core.Tool{Name: "f", Parameters: json.RawMessage(`{"properties":{}}`), Strict: true}
	section := lark.CallForm{
		Trigger: "<a>", Open: []lark.Part{lark.Lit("[")}, Close: []lark.Part{lark.Mixed("]</a>", []string{"</a>"})},
		Before: func(name string) []lark.Part { return []lark.Part{lark.Lit(name), lark.Pattern("[0-9]")} }, Between: []lark.Part{lark.Lit(",")},
	}
	const args = `%json {"additionalProperties":false,"properties":{},"type":"object","x-guidance":{"item_separator":", ","key_separator":": ","whitespace_flexible":false}}`
	for name, c := range map[string]struct {
		demand lark.Demand
		think  lark.Thought
		write  func(*lark.Grammar)
		want   string
	}{
		"a section": {
			lark.Demand{Tools: []core.Tool{tool}},
			lark.Thought{},
			func(g *lark.Grammar) { g.Calls(section) },
			"start: body\nbody: calls\ncalls: <[7]> \"[\" call (\",\" call)* \"]\" <[8]>\ncall: call_0\ncall_0: \"f\" /[0-9]/ " + args + "\n",
		},
		"free, one": {
			lark.Demand{Tools: []core.Tool{tool}, Free: true, Single: true},
			lark.Thought{},
			func(g *lark.Grammar) { g.Calls(section) },
			"start: body\nbody: text\n  | text_before calls\ntext: /(?s:.*)/\ntext_before: /(?s:.*)/ <[7]>\ncalls: \"[\" call \"]\" <[8]>\ncall: call_0\ncall_0: \"f\" /[0-9]/ " + args + "\n",
		},
		"the whole answer": {
			lark.Demand{Tools: []core.Tool{{Name: "g"}}, Free: true, Exact: true},
			lark.Thought{Open: "<t>", Close: "</t>"},
			func(g *lark.Grammar) { g.Whole(section) },
			"start: body\nbody: call\n  | /([^{](?s:.*))?/\ncall: call_0\ncall_0: \"g\" /[0-9]/ %json {\"type\": \"object\", \"properties\": {}, \"additionalProperties\": false, \"x-guidance\": {\"item_separator\": \", \", \"key_separator\": \": \", \"whitespace_flexible\": false}}\n",
		},
		"bounded reasoning, then a schema": {
			lark.Demand{Answer: "{}", Thinks: true, Budget: 9},
			lark.Thought{Open: "<a>", Label: "x", Close: "</a>"},
			(*lark.Grammar).Only,
			"start: body\n  | opening thought body\nbody: answer\nopening: <[7]> \"x\"\nreasoning: bounded <[8]>\nbounded[max_tokens=9]: /(?s:.*)/\nthought: reasoning /\\n{0,2}/\nanswer: %json {}\n",
		},
		"within reasoning whose mark is text": {
			lark.Demand{Answer: "{}", Opened: true},
			lark.Thought{Open: "<t>", Close: "</t>"},
			(*lark.Grammar).Only,
			"start: thought body\nbody: answer\nreasoning[suffix=\"</t>\"]: /(?s:.*)/\nthought: reasoning /\\n{0,2}/\nanswer: %json {}\n",
		},
		"a call or an answer": {
			lark.Demand{Answer: "{}", Tools: []core.Tool{{Name: "h", Parameters: json.RawMessage(`{"allOf":[]}`)}}, Exact: true},
			lark.Thought{},
			func(g *lark.Grammar) { g.Whole(section) },
			"start: body\nbody: call\n  | answer\ncall: call_0\ncall_0: \"h\" /[0-9]/ %json {\"allOf\":[],\"type\":\"object\",\"x-guidance\":{\"item_separator\":\", \",\"key_separator\":\": \",\"whitespace_flexible\":false}}\nanswer: %json {}\n",
		},
	} {
		c.demand.Token = func(marker string) (int, bool) {
			id, ok := map[string]int{"<a>": 7, "</a>": 8}[marker]
			return id, ok
		}
		g := lark.New(c.demand, c.think)
		c.write(g)
		g.Reasoning()
		g.Answered()
		if diff := cmp.Diff(c.want, g.String()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestToolOf(t *testing.T) {
	for rule, want := range map[string]int{"call_0": 0, "call_12": 12, "call": -1, "call_": -1, "answer": -1, "recall_1": -1, "call_1_2": -1} {
		if got := lark.ToolOf(rule); got != want {
			t.Errorf("%s: %d", rule, got)
		}
	}
}
