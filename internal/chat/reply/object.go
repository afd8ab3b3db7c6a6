package reply

import (
	"encoding/json"

	"ashatai/internal/chat/reply/jsontext"
	"ashatai/internal/core"
)

// call reads one call that is written in JSON: the object {"name": …, "arguments": {…}} in one of its spellings, or, where the name is known
// already, the arguments alone. Other keys of the object are passed over.
type call struct {
	done   state // after the call
	failed state // after what turned out to be none, which was given back as text
	listed bool  // only a tool that the caller has may be called: nothing but the shape tells a call from text

	name  string
	bare  bool // the arguments alone
	stage stage
	taken []byte // of what might have to be given back
	begun bool
	key   []byte
	slash bool // the next byte of the key is escaped
	val   jsontext.Scan
	raw   []byte // the value that is being read, where it is held
	args  []byte // arguments that came before the name
	given bool   // there were arguments
	emit  []byte // arguments to give out
}

type stage byte

const (
	wantObject stage = iota
	wantKey
	inKey
	wantColon
	wantValue
	inValue
	wantComma
)

// object makes the state that reads {"name": …, "arguments": …}.
func object(done, failed state) state { return (&call{done: done, failed: failed}).read }

// arguments makes the state that reads the arguments of the tool name. lead is what was taken before them.
func arguments(name string, lead []byte, done, failed state) state {
	return (&call{done: done, failed: failed, name: name, bare: true, stage: wantValue, taken: lead}).read
}

func (c *call) read(m *machine) bool {
	for i, b := range m.buf {
		ok, used, last := c.step(m, b)
		if used && !c.begun {
			c.taken = append(c.taken, b)
		}
		if ok && !last {
			continue
		}
		m.drop(i)
		if used {
			m.drop(1)
		}
		return c.leave(m, ok)
	}
	m.drop(len(m.buf))
	c.flush(m)
	if m.final && (!c.begun || c.stage == wantComma) {
		return c.leave(m, c.begun)
	}
	return false
}

// leave ends the reading, well or not.
func (c *call) leave(m *machine, ok bool) bool {
	c.flush(m)
	switch {
	case ok:
		ok = c.complete(m)
	case c.begun:
		return m.fail()
	}
	if ok {
		m.state = c.done
		return true
	}
	if !m.cut || c.listed { // else a mark said that it is a call, and only its rest is missing
		m.giveBack(c.taken)
	}
	m.state = c.failed
	return true
}

// complete finishes a call whose end was seen.
func (c *call) complete(m *machine) bool {
	if !c.begun {
		if !c.mayBegin(m) || len(c.args) == 0 && c.given {
			return false
		}
		m.begin(c.name)
		if !c.given {
			c.args = []byte("{}")
		}
		m.arguments(c.args)
	}
	m.finish()
	return true
}

func (c *call) mayBegin(m *machine) bool { return validName(c.name) && (!c.listed || m.knows(c.name)) }

// validName reports whether a tool can have this name.
func validName(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return s != "" && len(s) <= core.MaxToolNameBytes
}

func (c *call) flush(m *machine) {
	m.arguments(c.emit)
	c.emit = c.emit[:0]
}

// step takes one byte. ok is false where this is no call; used is false where the byte belongs to what follows; last is
// true where the call ended.
func (c *call) step(m *machine, b byte) (ok, used, last bool) {
	space := b == ' ' || b == '\n' || b == '\r' || b == '\t'
	switch c.stage {
	case wantObject:
		if b == '{' {
			c.stage = wantKey
		}
		return b == '{' || space, b == '{' || space, false
	case wantKey:
		switch b {
		case '"':
			c.stage, c.key = inKey, c.key[:0]
		case '}':
			return true, true, true
		default:
			return space, true, false
		}
	case inKey:
		c.inKey(b)
	case wantColon:
		if b == ':' {
			c.stage = wantValue
		}
		return b == ':' || space, true, false
	case wantValue:
		if space {
			return true, true, false
		}
		if !c.beginValue(m, b) {
			return false, false, false
		}
		return c.value(m, b)
	case inValue:
		return c.value(m, b)
	case wantComma:
		switch b {
		case ',':
			c.stage = wantKey
		case '}':
			return true, true, true
		default:
			return space || c.begun, space, !space && c.begun // only the brace is missing: the call itself is whole
		}
	}
	return true, true, false
}

func (c *call) inKey(b byte) {
	switch {
	case c.slash:
		c.slash = false
	case b == '\\':
		c.slash = true
	case b == '"':
		c.stage = wantColon
		return
	}
	c.key = append(c.key, b)
}

// isArguments reports whether the value that is being read is the call's arguments.
func (c *call) isArguments() bool {
	return c.bare || string(c.key) == "arguments" || string(c.key) == "parameters"
}

func (c *call) beginValue(m *machine, b byte) bool {
	c.stage, c.val, c.raw = inValue, jsontext.Scan{}, c.raw[:0]
	switch {
	case c.bare && b != '{':
		return false
	case c.isArguments():
		if c.given {
			return false
		}
		c.given = true
		if b == '{' && c.name != "" {
			if !c.mayBegin(m) {
				return false
			}
			c.begun = true
			m.begin(c.name)
		}
	case c.listed && !harmless(string(c.key)):
		return false
	}
	return true
}

// harmless are the keys that models write into calls beside the name and the arguments.
func harmless(key string) bool { return key == "name" || key == "type" || key == "id" }

func (c *call) value(m *machine, b byte) (ok, used, last bool) {
	within := c.val.InText()
	v := c.val.Next(b)
	if v == jsontext.Bad {
		return false, false, false
	}
	if v != jsontext.Over {
		if c.begun && c.isArguments() {
			c.emit = jsontext.Escaped(c.emit, b, within && v == jsontext.More)
		} else {
			c.raw = jsontext.Escaped(c.raw, b, within && v == jsontext.More)
		}
		if v == jsontext.More {
			return true, true, false
		}
	}
	if !c.endValue() {
		return false, v == jsontext.Done, false
	}
	if c.bare {
		return true, true, true // the braces of the arguments are the call's
	}
	c.stage = wantComma
	if v == jsontext.Over {
		return c.step(m, b)
	}
	return true, true, false
}

// endValue looks at a whole value.
func (c *call) endValue() bool {
	switch {
	case c.begun && c.isArguments():
	case c.isArguments():
		c.args = argumentsOf(c.raw)
		return c.args != nil
	case string(c.key) == "name" || string(c.key) == "tool_name":
		if c.name != "" {
			return false
		}
		return json.Unmarshal(c.raw, &c.name) == nil && c.name != ""
	}
	return true
}

// argumentsOf is the object that a value stands for: itself, the object in a string, nothing for null. It is nil for
// anything else.
func argumentsOf(raw []byte) []byte {
	switch raw[0] {
	case '{':
		return append([]byte(nil), raw...)
	case 'n':
		return []byte("{}")
	case '"':
		var s string
		if json.Unmarshal(raw, &s) == nil && isObject(s) {
			return []byte(s)
		}
	}
	return nil
}

// isObject reports whether s is a JSON object.
func isObject(s string) bool {
	var v map[string]json.RawMessage
	return json.Unmarshal([]byte(s), &v) == nil && v != nil
}
