package format

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"ashatai/internal/chat/jinja/value"
)

// JSON are the options of ToJSON, with the meaning they have in Python's json.dumps.
type JSON struct {
	ASCII     bool       // write everything beyond ASCII as \u escapes
	Indent    *value.Str // nil: on one line
	Item, Key string     // what stands between items, and between a key and its value
	Sort      bool
}

// ToJSON is Python's json.dumps. The result is trusted only when all text in it is.
func ToJSON(b *value.Budget, v value.Value, o JSON) (*value.Str, error) {
	p := &jsonPrinter{b: b, w: value.NewBuilder(b), trusted: true, opt: o}
	if err := p.value(v, 0); err != nil {
		return nil, err
	}
	s, err := p.w.Str()
	if err != nil {
		return nil, err
	}
	return value.Text(s.String(), p.trusted), nil
}

type jsonPrinter struct {
	b       *value.Budget
	w       *value.Builder
	trusted bool
	opt     JSON
}

func (p *jsonPrinter) put(s string) { p.w.Add(s, true) }

func (p *jsonPrinter) value(v value.Value, level int) error {
	if err := p.b.Enter(); err != nil {
		return err
	}
	defer p.b.Leave()
	switch x := v.(type) { //nolint:exhaustive // the other types share what follows
	case *value.Str:
		p.quote(x)
	case value.None:
		p.put("null")
	case value.Bool, value.Int, value.Float:
		p.put(jsonNumber(v))
	case *value.List:
		return p.list(x.Items, level)
	case *value.Tuple:
		return p.list(x.Items, level)
	case *value.Dict:
		return p.dict(x, level)
	default:
		return value.Fail("Object of type ", v.TypeName(), " is not JSON serializable")
	}
	return p.w.Err()
}

func jsonNumber(v value.Value) string {
	switch x := v.(type) { //nolint:exhaustive // the other types share what follows
	case value.Bool:
		return strconv.FormatBool(bool(x))
	case value.Int:
		return strconv.FormatInt(int64(x), 10)
	case value.Float:
		switch {
		case math.IsNaN(float64(x)):
			return "NaN"
		case math.IsInf(float64(x), 1):
			return "Infinity"
		case math.IsInf(float64(x), -1):
			return "-Infinity"
		}
		return value.FloatText(float64(x))
	}
	return "null"
}

func (p *jsonPrinter) newline(level int) {
	if p.opt.Indent == nil {
		return
	}
	p.put("\n")
	for range level {
		if p.w.Err() != nil {
			return
		}
		p.put(p.opt.Indent.String())
	}
}

func (p *jsonPrinter) list(items []value.Value, level int) error {
	if len(items) == 0 {
		p.put("[]")
		return p.w.Err()
	}
	p.put("[")
	for i, it := range items {
		if i > 0 {
			p.put(p.opt.Item)
		}
		p.newline(level + 1)
		if err := p.value(it, level+1); err != nil {
			return err
		}
	}
	p.newline(level)
	p.put("]")
	return p.w.Err()
}

type pair struct{ key, val value.Value }

func (p *jsonPrinter) dict(d *value.Dict, level int) error {
	if d.Len() == 0 {
		p.put("{}")
		return p.w.Err()
	}
	if err := p.b.NewItems(d.Len()); err != nil {
		return err
	}
	pairs := make([]pair, 0, d.Len())
	for k, v := range d.All() {
		pairs = append(pairs, pair{k, v})
	}
	if p.opt.Sort {
		if err := p.sort(pairs); err != nil {
			return err
		}
	}
	p.put("{")
	for i, e := range pairs {
		if i > 0 {
			p.put(p.opt.Item)
		}
		p.newline(level + 1)
		if err := p.key(e.key); err != nil {
			return err
		}
		p.put(p.opt.Key)
		if err := p.value(e.val, level+1); err != nil {
			return err
		}
	}
	p.newline(level)
	p.put("}")
	return p.w.Err()
}

func (p *jsonPrinter) key(k value.Value) error {
	switch x := k.(type) { //nolint:exhaustive // the other types share what follows
	case *value.Str:
		p.quote(x)
	case value.None, value.Bool, value.Int, value.Float:
		p.put(`"` + jsonNumber(k) + `"`)
	default:
		return value.Fail("keys must be str, int, float, bool or None, not ", k.TypeName())
	}
	return p.w.Err()
}

func (p *jsonPrinter) sort(pairs []pair) error {
	var failed error
	slices.SortStableFunc(pairs, func(x, y pair) int {
		if failed != nil {
			return 0
		}
		c, err := value.Compare(p.b, "<", x.key, y.key)
		if err == nil {
			err = p.b.Step(1)
		}
		failed = err
		return c
	})
	return failed
}

func (p *jsonPrinter) quote(x *value.Str) {
	p.trusted = p.trusted && x.Trusted()
	s := x.String()
	p.put(`"`)
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && (c < utf8.RuneSelf || !p.opt.ASCII) {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		p.put(s[from:i])
		p.put(jsonEscape(r))
		i += n
		from = i
	}
	p.put(s[from:])
	p.put(`"`)
}

func jsonEscape(r rune) string {
	if i := strings.IndexRune("\"\\\n\r\t\b\f", r); i >= 0 {
		return `\` + `"\nrtbf`[i:i+1]
	}
	const hex = "0123456789abcdef"
	unit := func(u rune) string {
		return `\u` + string([]byte{hex[u>>12&15], hex[u>>8&15], hex[u>>4&15], hex[u&15]})
	}
	if r > 0xffff {
		r -= 0x10000
		return unit(0xd800+r>>10) + unit(0xdc00+r&0x3ff)
	}
	return unit(r)
}
