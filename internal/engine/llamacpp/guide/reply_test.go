package guide

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"ashatai/internal/chat/reply"
	"ashatai/internal/core"
)

// templates hold a word by which each family of models is known.
func templates() []string {
	return []string{
		"", "<tool_call>", "<tool_call><function=", "<tool_call><arg_key>", ":opensource arg_key", "<minimax:tool_call><invoke name=",
		"｜DSML｜", "<seed:tool_call>", `<function name="`, "<function=", "<|tool_calls_section_begin|>", "<|tool_call:begin|>",
		"<|START_ACTION|>", "<TOOLCALL>", "<|tools_prefix|>", "<|function_call|>", "<tool_calls>", "<tool_calls>[", "<|tool_call_start|>",
		"<|tool_call|>", "[TOOL_CALLS]", "[TOOL_CALLS][ARGS][CALL_ID]", "<｜tool▁call▁begin｜><｜tool▁sep｜>", "<|tool_call>", `"parameters": `,
		"<|start|><|channel|><|message|>",
	}
}

// TestEnforcedCallsAreRead has the strange model write calls under the grammar of every family, and reads them with the
// family's reader: what is enforced must be a call of a tool that there is, with arguments that follow its schema.
func TestEnforcedCallsAreRead(t *testing.T) {
	m, v := maker(t)
	schema := `{"type":"object","properties":{"city":{"type":"string","maxLength":8},"days":{"type":"integer","minimum":0,"maximum":99}},"required":["city","days"],"additionalProperties":false}`
	tools := []core.Tool{{Name: "weather", Parameters: json.RawMessage(schema)}, {Name: "now"}}
	judges := map[string]*jsonschema.Schema{"weather": judge(t, json.RawMessage(schema)), "now": judge(t, json.RawMessage(`{"type":"object","maxProperties":0}`))}
	for _, template := range templates() {
		form := reply.Detect(template)
		read := 0
		for single, name := range map[bool]string{true: "one call", false: "calls"} {
			source := form.Grammar(reply.Demand{Tools: tools, Exact: true, Single: single, Token: func(string) (int, bool) { return 0, false }})
			g := start(t, m, core.FormatLark, source)
			for seed := range uint64(6) {
				c := g.Clone()
				text, done := write(t, c, v, seed, 256)
				c.Close()
				if !done {
					continue
				}
				r := form.Reader(reply.Options{Tools: tools, ID: func(int) string { return "x" }})
				_, err := r.Feed(text)
				if err == nil {
					_, err = r.End(false)
				}
				calls := r.Calls()
				if err != nil || len(calls) == 0 || single && len(calls) > 1 {
					t.Errorf("%q, %s: %d calls in %q: %v", template, name, len(calls), text, err)
				}
				read += len(calls)
				for _, call := range calls {
					x, err := jsonschema.UnmarshalJSON(strings.NewReader(call.Arguments))
					if err != nil || judges[call.Name] == nil || judges[call.Name].Validate(x) != nil {
						t.Errorf("%q, %s: %+v in %q", template, name, call, text)
					}
				}
			}
		}
		if read == 0 {
			t.Errorf("%q: no call was completed", template)
		}
	}
}
