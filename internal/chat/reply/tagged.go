package reply

import (
	"bytes"
	"encoding/json"
	"strings"

	"ashatai/internal/chat/reply/jsontext"
	"ashatai/internal/chat/reply/lark"
	"ashatai/internal/core"
)

// tagged is a form whose calls and parameters stand in tags. A value is JSON, or bare text where the tool's schema, or an
// attribute of the tag, says string. Arguments as one JSON object in place of the parameters are read as well, and are what
// its grammar asks for. Qwen3-Coder and its followers write
//
//	<tool_call>
//	<function=f>
//	<parameter=city>
//	Oslo
//	</parameter>
//	</function>
//	</tool_call>
//
// and the others are told at their tables below.
type tagged struct {
	open, close string // around calls; empty: nothing is
	call        string // before a name
	named       string // after it; empty: the name ends with its line, or where a tag begins
	done        string // after the parameters
	key, keyed  string // before and after a parameter's name. Where key ends with a quote, attributes may follow the name.
	value       string // before a value, where it has a tag of its own
	end         string // after a value
	trim        bool   // line breaks beside a value belong to the tags
	plain       bool   // a call in JSON is the one of hermes, and so is the grammar
	atoms       []string
}

const (
	coderFunction = "<function="
	coderEnd      = "</function>"
	coderParam    = "<parameter="
	coderParamEnd = "</parameter>"
	seedOpen      = "<seed:tool_call>"
	glmKey        = "<arg_key>"
	minimaxOpen   = "<minimax:tool_call>"
	minicpmCall   = `<function name="`
	dsml          = "｜DSML｜"
	hunyuan       = hunyuanMark + ">"
	hunyuanMark   = ":opensource"
)

// coder is Qwen3-Coder's form.
func coder() tagged {
	return tagged{
		open: hermesOpen, close: hermesClose, call: coderFunction, named: ">", done: coderEnd,
		key: coderParam, keyed: ">", end: coderParamEnd, trim: true, plain: true,
	}
}

// seed is the form of Seed-OSS: Qwen3-Coder's with an opening tag of its own.
func seed() tagged {
	f := coder()
	f.open, f.close, f.plain = seedOpen, "</seed:tool_call>", false
	return f
}

// functionary is the form of Functionary 3.1: <function=f>{…}</function>.
func functionary() tagged {
	f := coder()
	f.open, f.close, f.plain = "", "", false
	return f
}

// glm is the form of GLM 4.5 to 4.7, and of Ling, Laguna and Spark:
//
//	<tool_call>f
//	<arg_key>city</arg_key>
//	<arg_value>Oslo</arg_value>
//	</tool_call>
func glm() tagged {
	return tagged{
		call: hermesOpen, done: hermesClose, key: glmKey, keyed: "</arg_key>", value: "<arg_value>", end: "</arg_value>",
	}
}

// hunyuan3 is the form of Hunyuan 3: GLM's with marked tags, and a tag after the name.
func hunyuan3() tagged {
	tag := func(name string) string { return "<" + name + hunyuan }
	return tagged{
		open: tag("tool_calls"), close: tag("/tool_calls"), call: tag("tool_call"), named: tag("tool_sep"), done: tag("/tool_call"),
		key: tag("arg_key"), keyed: tag("/arg_key"), value: tag("arg_value"), end: tag("/arg_value"),
	}
}

// invoked is the form of MiniMax M2, and of DeepSeek from V3.2 on, whose tags begin with a mark of their own and whose
// parameters say whether they are strings:
//
//	<minimax:tool_call>
//	<invoke name="f">
//	<parameter name="city">Oslo</parameter>
//	</invoke>
//	</minimax:tool_call>
func invoked(open, closing, mark string, atoms ...string) tagged {
	return tagged{
		open: open, close: closing, call: "<" + mark + `invoke name="`, named: ">", done: "</" + mark + "invoke>",
		key: "<" + mark + `parameter name="`, keyed: ">", end: "</" + mark + "parameter>", atoms: atoms,
	}
}

func minimax() tagged { return invoked(minimaxOpen, "</minimax:tool_call>", "") }

func deepseekTags(section string) tagged {
	return invoked("<"+dsml+section+">", "</"+dsml+section+">", dsml, dsml)
}

// minicpm is the form of MiniCPM 5: <function name="f"><param name="city">Oslo</param></function>.
func minicpm() tagged {
	return tagged{call: minicpmCall, named: ">", done: coderEnd, key: `<param name="`, keyed: ">", end: "</param>"}
}

// around are the marks that stand around calls and values, without those that are not there.
func (f tagged) around() []string {
	var out []string
	for _, s := range []string{f.open, f.close, f.call, f.done, f.key, f.value, f.end} {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func (f tagged) markers() []string {
	out := append(f.around(), f.atoms...)
	for _, s := range []string{f.named, f.keyed} {
		if len(s) > 1 {
			out = append(out, s)
		}
	}
	return out
}

func (f tagged) start() state { return f.prose }

func (f tagged) prose(m *machine) bool {
	marks := []mark{{text: f.call, then: f.name}, {text: f.done}, {text: f.end}}
	if f.open != "" {
		marks = append(marks, mark{text: f.open, then: f.head}, mark{text: f.close})
	}
	return m.prose(marks)
}

// head is what follows the opening tag.
func (f tagged) head(m *machine) bool {
	if !m.space() {
		return false
	}
	switch m.starts(f.call) {
	case 0:
		return false
	case 1:
		m.drop(len(f.call))
		m.state = f.name
		return true
	}
	m.state = f.prose
	if m.buf[0] == '{' {
		m.state = object(f.after, f.prose)
	}
	return true
}

// name reads up to the parameters.
func (f tagged) name(m *machine) bool {
	end, size, wait := f.nameEnd(m)
	if wait {
		return false
	}
	if end == 0 && f.named == "" && m.buf[0] == '{' {
		m.state = object(f.ended, f.prose)
		return true
	}
	if end < 0 {
		m.state = f.prose
		return true
	}
	name := string(m.buf[:end])
	if strings.HasSuffix(f.call, `"`) {
		name, _, _ = strings.Cut(name, `"`)
	}
	name = strings.TrimSpace(name)
	if !validName(name) {
		m.state = f.prose
		return true
	}
	taken := bytes.Clone(m.buf[:end+size])
	m.drop(end + size)
	m.state = func(m *machine) bool { return f.first(m, name, taken) }
	return true
}

// nameEnd finds the end of a name, and how long the mark there is.
func (f tagged) nameEnd(m *machine) (end, size int, wait bool) {
	if f.named != "" {
		end, wait = m.upTo(f.named)
		return end, len(f.named), wait
	}
	m.drop(len(m.buf) - len(bytes.TrimLeft(m.buf, " \t\r\n")))
	if end = bytes.IndexAny(m.buf, "\n<{"); end < 0 || end > maxHeader {
		return -1, 0, end < 0 && !m.final && len(m.buf) <= maxHeader
	}
	return end, 0, false
}

// first looks whether a call's parameters follow its name, and begins it.
func (f tagged) first(m *machine, name string, taken []byte) bool {
	if m.space() {
		param, end := m.starts(f.key), m.starts(f.done)
		switch {
		case m.buf[0] == '{':
			m.state = arguments(name, taken, f.ended, f.prose)
			return true
		case param == 1 || end == 1:
			m.begin(name)
			m.arguments([]byte("{"))
			m.state = (&parameters{f: f, types: typesOf(m.tools, name)}).read
			return true
		case param < 0 && end < 0:
			m.giveBack(taken)
			m.state = f.prose
			return true
		}
	}
	if m.final {
		m.giveBack(taken)
		m.text(len(m.buf))
		m.state = f.prose
	}
	return false
}

// ended follows arguments in JSON.
func (f tagged) ended(m *machine) bool { return m.skip(f.after, f.done) }

// after follows a call.
func (f tagged) after(m *machine) bool {
	if f.close == "" {
		return m.skip(f.next)
	}
	return m.skip(f.next, f.close)
}

func (f tagged) next(m *machine) bool { return m.skip(f.prose) }

func (f tagged) grammar(g *lark.Grammar) {
	if f.plain {
		hermes{}.grammar(g)
		return
	}
	named := f.named
	if strings.HasSuffix(f.call, `"`) {
		named = `"` + named
	}
	call := func(name string) []lark.Part {
		return []lark.Part{lark.Mixed(name+named+"\n", f.markers())}
	}
	if f.open == "" {
		g.Calls(lark.CallForm{
			Trigger: f.call, Before: call, After: []lark.Part{lark.Mixed("\n"+f.done, f.markers())}, Between: []lark.Part{lark.Lit("\n")},
		})
		return
	}
	g.Calls(lark.CallForm{
		Trigger: f.open,
		Open:    []lark.Part{lark.Lit("\n")},
		Before: func(name string) []lark.Part {
			return append([]lark.Part{lark.Mixed(f.call, f.markers())}, call(name)...)
		},
		After: []lark.Part{lark.Mixed("\n"+f.done+"\n", f.markers())},
		Close: []lark.Part{lark.Mixed(f.close, f.markers())},
	})
}

// typesOf says which parameters of a tool are strings (true) and which are something else (false).
func typesOf(tools []core.Tool, name string) map[string]bool {
	out := map[string]bool{}
	for _, t := range tools {
		var schema struct {
			Properties map[string]struct {
				Type json.RawMessage `json:"type"`
			} `json:"properties"`
		}
		if t.Name != name || json.Unmarshal(t.Parameters, &schema) != nil {
			continue
		}
		for key, p := range schema.Properties {
			if len(p.Type) > 0 {
				out[key] = string(p.Type) == `"string"`
			}
		}
	}
	return out
}

// parameters reads the parameters of a begun call into a JSON object.
type parameters struct {
	f      tagged
	types  map[string]bool
	some   bool // there was one already
	opens  bool // the tag before the value comes next
	value  bool // in a value
	spoken bool // in a value of which something was given out
	bare   bool // the value is a string
}

func (p *parameters) read(m *machine) bool {
	if p.value {
		return p.text(m)
	}
	if !m.space() {
		return false
	}
	if p.opens {
		switch m.starts(p.f.value) {
		case 0:
			return false
		case -1:
			return m.fail()
		}
		m.drop(len(p.f.value))
		p.opens, p.value = false, true
		return true
	}
	param, end := m.starts(p.f.key), m.starts(p.f.done)
	switch {
	case param == 1:
		return p.key(m)
	case end == 1:
		m.drop(len(p.f.done))
		m.arguments([]byte("}"))
		m.finish()
		m.state = p.f.after
		return true
	case param == 0 || end == 0:
		return false
	}
	return m.fail()
}

func (p *parameters) key(m *machine) bool {
	end, wait := m.upTo(p.f.keyed)
	switch {
	case wait:
		return false
	case end < 0:
		return m.fail()
	}
	key, says := string(m.buf[len(p.f.key):max(end, len(p.f.key))]), ""
	if strings.HasSuffix(p.f.key, `"`) {
		key, says, _ = strings.Cut(key, `"`)
	}
	m.drop(max(end, len(p.f.key)) + len(p.f.keyed))
	lead := jsontext.Quoted(key) + ":"
	if p.some {
		lead = "," + lead
	}
	m.arguments([]byte(lead))
	p.some, p.spoken, p.bare = true, false, p.types[key]
	switch {
	case strings.Contains(says, `string="true"`):
		p.bare = true
	case strings.Contains(says, `string="false"`):
		p.bare = false
	}
	p.opens, p.value = p.f.value != "", p.f.value == ""
	return true
}

// text reads a value up to its closing tag. A string is given out as it comes.
func (p *parameters) text(m *machine) bool {
	end := bytes.Index(m.buf, []byte(p.f.end))
	if end < 0 {
		if p.bare {
			p.stream(m)
		}
		return false
	}
	v := m.buf[:end]
	if p.bare {
		if !p.spoken {
			m.arguments([]byte{'"'})
			if p.f.trim {
				v = bytes.TrimPrefix(v, []byte("\n"))
			}
		}
		if p.f.trim {
			v = bytes.TrimSuffix(v, []byte("\n"))
		}
		m.arguments(jsontext.Inner(v))
		m.arguments([]byte{'"'})
	} else {
		trimmed := bytes.TrimSpace(v)
		if !json.Valid(trimmed) {
			if p.f.trim {
				v = trimmed
			}
			trimmed = []byte(jsontext.Quoted(string(v)))
		}
		m.arguments(trimmed)
	}
	m.drop(end + len(p.f.end))
	p.value = false
	return true
}

func (p *parameters) stream(m *machine) {
	if !p.spoken {
		if p.f.trim {
			if len(m.buf) < 2 {
				return // the first byte may be the line break after the tag, and the second belongs to the end
			}
			if m.buf[0] == '\n' {
				m.drop(1)
			}
		}
		m.arguments([]byte{'"'})
		p.spoken = true
	}
	keep := partial(m.buf, []mark{{text: p.f.end}})
	if at := len(m.buf) - keep - 1; p.f.trim && at >= 0 && m.buf[at] == '\n' {
		keep++
	}
	m.arguments(jsontext.Inner(m.buf[:len(m.buf)-keep]))
	m.drop(len(m.buf) - keep)
}
