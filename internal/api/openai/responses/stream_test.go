package responses

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

var ids = regexp.MustCompile(`(resp|msg|fc|rs)_[A-Z2-7]{26}`)

// script is a stream as text: a line for each event, what it is about without the response.
func script(t *testing.T, body string) string {
	t.Helper()
	var out strings.Builder
	for i, ev := range told(t, body) {
		if ev.SequenceNumber != int64(i) {
			t.Errorf("event %d has the number %d", i, ev.SequenceNumber)
		}
		line := strings.TrimPrefix(ev.Type, "response.")
		if ev.Response != nil {
			line += " status=" + ev.Response.Status
		}
		ev.Type, ev.SequenceNumber, ev.Response = "", 0, nil
		rest, err := encode(ev)
		if err != nil {
			t.Fatal(err)
		}
		rest = strings.Replace(rest, `{"type":"","sequence_number":0`, "", 1)
		rest = strings.TrimSuffix(strings.TrimPrefix(rest, ","), "}")
		out.WriteString(strings.TrimSpace(line+" "+ids.ReplaceAllString(rest, "$1")) + "\n")
	}
	return out.String()
}

func TestEventOrder(t *testing.T) {
	for _, c := range []struct {
		name, fields string
		events       []any
		want         string
	}{
		{"text", "", []any{core.Event{Text: "Hel"}, core.Event{Text: "lo"}, core.Event{Finish: core.FinishStop}, usageEvent()}, `
created status=in_progress
in_progress status=in_progress
output_item.added "output_index":0,"item":{"content":[],"id":"msg","role":"assistant","status":"in_progress","type":"message"}
content_part.added "output_index":0,"item_id":"msg","content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}
output_text.delta "output_index":0,"item_id":"msg","content_index":0,"delta":"Hel","logprobs":[]
output_text.delta "output_index":0,"item_id":"msg","content_index":0,"delta":"lo","logprobs":[]
output_text.done "output_index":0,"item_id":"msg","content_index":0,"text":"Hello","logprobs":[]
content_part.done "output_index":0,"item_id":"msg","content_index":0,"part":{"type":"output_text","text":"Hello","annotations":[],"logprobs":[]}
output_item.done "output_index":0,"item":{"content":[{"annotations":[],"logprobs":[],"text":"Hello","type":"output_text"}],"id":"msg","role":"assistant","status":"completed","type":"message"}
completed status=completed
`},
		{"reasoning, text and calls", "", []any{
			core.Event{Reasoning: "Hm"},
			core.Event{Text: "I look."},
			core.Event{ToolCall: &core.ToolDelta{ID: "call_a", Name: "f"}},
			core.Event{ToolCall: &core.ToolDelta{Arguments: `{"a":`}},
			core.Event{ToolCall: &core.ToolDelta{Arguments: `1}`}},
			core.Event{ToolCall: &core.ToolDelta{Index: 1, ID: "call_b", Name: "g", Arguments: "{}"}},
			core.Event{Finish: core.FinishTools},
			usageEvent(),
		}, `
created status=in_progress
in_progress status=in_progress
output_item.added "output_index":0,"item":{"content":[],"encrypted_content":null,"id":"rs","status":"in_progress","summary":[],"type":"reasoning"}
content_part.added "output_index":0,"item_id":"rs","content_index":0,"part":{"type":"reasoning_text","text":""}
reasoning_text.delta "output_index":0,"item_id":"rs","content_index":0,"delta":"Hm"
reasoning_text.done "output_index":0,"item_id":"rs","content_index":0,"text":"Hm"
content_part.done "output_index":0,"item_id":"rs","content_index":0,"part":{"type":"reasoning_text","text":"Hm"}
output_item.done "output_index":0,"item":{"content":[{"text":"Hm","type":"reasoning_text"}],"encrypted_content":null,"id":"rs","status":"completed","summary":[],"type":"reasoning"}
output_item.added "output_index":1,"item":{"content":[],"id":"msg","role":"assistant","status":"in_progress","type":"message"}
content_part.added "output_index":1,"item_id":"msg","content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}
output_text.delta "output_index":1,"item_id":"msg","content_index":0,"delta":"I look.","logprobs":[]
output_text.done "output_index":1,"item_id":"msg","content_index":0,"text":"I look.","logprobs":[]
content_part.done "output_index":1,"item_id":"msg","content_index":0,"part":{"type":"output_text","text":"I look.","annotations":[],"logprobs":[]}
output_item.done "output_index":1,"item":{"content":[{"annotations":[],"logprobs":[],"text":"I look.","type":"output_text"}],"id":"msg","role":"assistant","status":"completed","type":"message"}
output_item.added "output_index":2,"item":{"arguments":"","call_id":"call_a","id":"fc","name":"f","status":"in_progress","type":"function_call"}
function_call_arguments.delta "output_index":2,"item_id":"fc","delta":"{\"a\":"
function_call_arguments.delta "output_index":2,"item_id":"fc","delta":"1}"
function_call_arguments.done "output_index":2,"item_id":"fc","name":"f","arguments":"{\"a\":1}"
output_item.done "output_index":2,"item":{"arguments":"{\"a\":1}","call_id":"call_a","id":"fc","name":"f","status":"completed","type":"function_call"}
output_item.added "output_index":3,"item":{"arguments":"","call_id":"call_b","id":"fc","name":"g","status":"in_progress","type":"function_call"}
function_call_arguments.delta "output_index":3,"item_id":"fc","delta":"{}"
function_call_arguments.done "output_index":3,"item_id":"fc","name":"g","arguments":"{}"
output_item.done "output_index":3,"item":{"arguments":"{}","call_id":"call_b","id":"fc","name":"g","status":"completed","type":"function_call"}
completed status=completed
`},
		{"cut by max_output_tokens", `,"max_output_tokens":1`, []any{core.Event{Text: "a"}, core.Event{Finish: core.FinishLength}, usageEvent()}, `
created status=in_progress
in_progress status=in_progress
output_item.added "output_index":0,"item":{"content":[],"id":"msg","role":"assistant","status":"in_progress","type":"message"}
content_part.added "output_index":0,"item_id":"msg","content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}
output_text.delta "output_index":0,"item_id":"msg","content_index":0,"delta":"a","logprobs":[]
output_text.done "output_index":0,"item_id":"msg","content_index":0,"text":"a","logprobs":[]
content_part.done "output_index":0,"item_id":"msg","content_index":0,"part":{"type":"output_text","text":"a","annotations":[],"logprobs":[]}
output_item.done "output_index":0,"item":{"content":[{"annotations":[],"logprobs":[],"text":"a","type":"output_text"}],"id":"msg","role":"assistant","status":"incomplete","type":"message"}
incomplete status=incomplete
`},
		{"a failure on the way", "", []any{core.Event{ToolCall: &core.ToolDelta{ID: "c", Name: "f"}}, core.Errorf(core.CodeWorkerDied, "It ended.")}, `
created status=in_progress
in_progress status=in_progress
output_item.added "output_index":0,"item":{"arguments":"","call_id":"c","id":"fc","name":"f","status":"in_progress","type":"function_call"}
function_call_arguments.done "output_index":0,"item_id":"fc","name":"f","arguments":""
output_item.done "output_index":0,"item":{"arguments":"","call_id":"c","id":"fc","name":"f","status":"incomplete","type":"function_call"}
failed status=failed
`},
		{"nothing was said", "", []any{core.Event{Finish: core.FinishStop}, usageEvent()}, `
created status=in_progress
in_progress status=in_progress
output_item.added "output_index":0,"item":{"content":[],"id":"msg","role":"assistant","status":"in_progress","type":"message"}
content_part.added "output_index":0,"item_id":"msg","content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}
output_text.done "output_index":0,"item_id":"msg","content_index":0,"text":"","logprobs":[]
content_part.done "output_index":0,"item_id":"msg","content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}
output_item.done "output_index":0,"item":{"content":[{"annotations":[],"logprobs":[],"text":"","type":"output_text"}],"id":"msg","role":"assistant","status":"completed","type":"message"}
completed status=completed
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := open(t)
			f.events = play(c.events...)
			for _, store := range []string{"true", "false"} {
				w := f.call(t, "POST", "/v1/responses", `{"input":"hi","stream":true,"store":`+store+c.fields+`}`)
				if diff := cmp.Diff(c.want[1:], script(t, w.Body.String())); diff != "" {
					t.Fatalf("store %s: %s", store, diff)
				}
			}
		})
	}
}

// TestWholeEqualsStreamed: the last event's response is what a call without stream answers, and what is stored.
func TestWholeEqualsStreamed(t *testing.T) {
	f := open(t)
	const ask = `{"input":"hi","instructions":"Be kind.","metadata":{"a":"b"},"tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true}],"tool_choice":"auto","temperature":0.5,"reasoning":{"effort":"low"},"truncation":"auto"`
	plain := f.call(t, "POST", "/v1/responses", ask+`}`).Body.String()
	events := told(t, f.call(t, "POST", "/v1/responses", ask+`,"stream":true}`).Body.String())
	last, err := encode(events[len(events)-1].Response)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"resp","object":"response","created_at":1700000000,"status":"completed","background":false,"completed_at":1700000000,"error":null,` +
		`"incomplete_details":null,"instructions":"Be kind.","max_output_tokens":null,"max_tool_calls":null,"model":"tiny:latest",` +
		`"output":[{"id":"msg","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello <é>","annotations":[],"logprobs":[]}]}],` +
		`"parallel_tool_calls":true,"previous_response_id":null,"conversation":null,"reasoning":{"effort":"low","summary":null},"service_tier":"default","store":true,` +
		`"temperature":0.5,"text":{"format":{"type":"text"}},"tool_choice":"auto",` +
		`"tools":[{"type":"function","name":"f","description":null,"parameters":{"type":"object"},"strict":true}],"top_logprobs":0,"top_p":null,"truncation":"auto",` +
		`"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":0},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":14},"metadata":{"a":"b"}}`
	for name, got := range map[string]string{"whole": strings.TrimSpace(plain), "streamed": last} {
		if diff := cmp.Diff(want, ids.ReplaceAllString(got, "$1")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		id := decode[response](t, got).ID
		if kept := f.call(t, "GET", "/v1/responses/"+id, "").Body.String(); strings.TrimSpace(kept) != got {
			t.Errorf("%s: it is kept as %s", name, kept)
		}
	}
}

// TestResume goes on after every event of a stream, live and afterwards.
func TestResume(t *testing.T) {
	f := open(t)
	gate := make(chan int)
	events := []any{}
	for i := range 8 {
		events = append(events, core.Event{Text: strconv.Itoa(i)}, gate)
	}
	f.events = play(append(events, core.Event{Finish: core.FinishStop}, usageEvent())...)
	r := f.make1(t, `{"input":"hi","background":true}`)
	if r.Status != queued || !r.Background {
		t.Fatal(r)
	}
	path := "/v1/responses/" + r.ID + "?stream=true"
	const n = 4 + 1 + 8 + 4
	live := make([]string, n)
	done := make(chan int)
	for i := range n {
		go func() {
			live[i] = f.call(t, "GET", fmt.Sprintf("%s&starting_after=%d", path, i), "").Body.String()
			done <- i
		}()
	}
	for range 8 {
		gate <- 0
	}
	for range n {
		<-done
	}
	all := f.call(t, "GET", path, "").Body.String()
	whole := told(t, all)
	if len(whole) != n || whole[1].Type != "response.queued" || whole[1].Response.Status != queued || whole[n-1].Type != "response.completed" {
		t.Fatalf("%d events: %s", len(whole), all)
	}
	for i := range n {
		want := strings.Join(strings.SplitAfter(all, "\n\n")[i+1:], "")
		if diff := cmp.Diff(want, live[i]); diff != "" {
			t.Errorf("live after %d: %s", i, diff)
		}
		if later := f.call(t, "GET", fmt.Sprintf("%s&starting_after=%d", path, i), ""); later.Body.String() != want || later.Code != 200 || later.Header().Get("Content-Type") == "" {
			t.Errorf("later after %d: %d %s", i, later.Code, later.Body)
		}
	}
	for _, query := range []string{"?stream=true&starting_after=x", "?stream=true&starting_after=-1", "?starting_after=x", "?stream=maybe", "?include_obfuscation=1", "?include=x"} {
		if w := f.call(t, "GET", "/v1/responses/"+r.ID+query, ""); w.Code != 400 {
			t.Error(query, w.Code)
		}
	}
	if w := f.call(t, "GET", "/v1/responses/"+r.ID+"?starting_after=0&include_obfuscation=true", ""); w.Code != 200 || strings.Contains(w.Body.String(), "obfuscation") {
		t.Error(w.Code, w.Body)
	}
	f.events = hello()
	whole1 := f.make1(t, `{"input":"hi","background":false,"stream":false,"max_output_tokens":3}`)
	if w := f.call(t, "GET", "/v1/responses/"+whole1.ID+"?stream=true", ""); w.Code != 400 || !strings.Contains(w.Body.String(), "not kept") {
		t.Error(w.Code, w.Body)
	}
}

func TestLogprobs(t *testing.T) {
	f := open(t)
	tok := func(s string) core.Token {
		return core.Token{Bytes: []byte(s), Logprob: -0.5, Top: []core.Token{{Bytes: []byte("\xff"), Logprob: -99999}}}
	}
	f.events = play(core.Event{Tokens: []core.Token{tok("a")}}, core.Event{Text: "ab", Tokens: []core.Token{tok("b")}}, core.Event{Tokens: []core.Token{tok("c")}}, core.Event{Finish: core.FinishStop}, usageEvent())
	r := f.make1(t, `{"input":"hi","top_logprobs":1,"include":["message.output_text.logprobs"]}`)
	var m message
	if err := json.Unmarshal(r.Output[0], &m); err != nil || len(*m.Content[0].Logprobs) != 3 || (*m.Content[0].Logprobs)[0].TopLogprobs[0].Logprob != lowest {
		t.Fatalf("%v %s", err, r.Output[0])
	}
	var deltas []int
	for _, ev := range told(t, f.call(t, "POST", "/v1/responses", `{"input":"hi","top_logprobs":1,"stream":true}`).Body.String()) {
		if ev.Logprobs != nil {
			deltas = append(deltas, len(*ev.Logprobs))
		}
	}
	if diff := cmp.Diff([]int{2, 3}, deltas); diff != "" {
		t.Error(diff)
	}
	if !f.last().Logprobs || f.last().TopLogprobs != 1 {
		t.Error("logprobs were not asked for")
	}
}

// The padding of a delta is made for who reads it, live or later, and is not kept.
func TestObfuscation(t *testing.T) {
	f := open(t)
	f.events = hello()
	padded := func(body string) (deltas, with int) {
		for _, ev := range told(t, body) {
			delta := strings.HasSuffix(ev.Type, ".delta")
			if delta {
				deltas++
			}
			if ev.Obfuscation != "" {
				with++
			}
			if (ev.Obfuscation != "") && !delta {
				t.Errorf("%s is padded", ev.Type)
			}
		}
		return deltas, with
	}
	var id string
	for _, store := range []string{"true", "false"} {
		body := f.call(t, "POST", "/v1/responses", `{"input":"hi","stream":true,"store":`+store+`,"stream_options":{"include_obfuscation":true}}`).Body.String()
		if deltas, with := padded(body); deltas == 0 || with != deltas {
			t.Errorf("store %s: %d of %d deltas are padded", store, with, deltas)
		}
		if store == "true" {
			id = told(t, body)[0].Response.ID
		}
	}
	for query, want := range map[string]bool{"": false, "&include_obfuscation=false": false, "&include_obfuscation=true": true} {
		deltas, with := padded(f.call(t, "GET", "/v1/responses/"+id+"?stream=true"+query, "").Body.String())
		if deltas == 0 || (with == deltas) != want || !want && with > 0 {
			t.Errorf("%s: %d of %d deltas are padded", query, with, deltas)
		}
	}
}
