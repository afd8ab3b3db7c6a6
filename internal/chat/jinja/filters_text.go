package jinja

import (
	"strings"

	"ashatai/internal/chat/jinja/format"
	"ashatai/internal/chat/jinja/value"
)

// textFilter finds the filters whose input is text; other input is turned into text first.
func textFilter(name string) (filter, bool) {
	onText := func(params string, required int, f func(r *run, s *value.Str, a []value.Value) (value.Value, error)) (filter, bool) {
		return filter{params: params, required: required, run: func(r *run, in value.Value, a []value.Value) (value.Value, error) {
			s, err := value.ToStr(&r.b, in)
			if err != nil {
				return nil, err
			}
			return f(r, s, a)
		}}, true
	}
	switch name {
	case "upper", "lower", "capitalize":
		return onText("", 0, func(r *run, s *value.Str, _ []value.Value) (value.Value, error) {
			return value.ChangeCase(&r.b, s, name)
		})
	case "title":
		return onText("", 0, title)
	case "trim":
		return onText("chars", 0, trim)
	case "string":
		return onText("", 0, func(_ *run, s *value.Str, _ []value.Value) (value.Value, error) { return s, nil })
	case "safe":
		return onText("", 0, func(_ *run, s *value.Str, _ []value.Value) (value.Value, error) { return value.Safe(s), nil })
	case "escape", "e", "forceescape":
		return onText("", 0, func(r *run, s *value.Str, _ []value.Value) (value.Value, error) {
			if s.IsMarkup() && name != "forceescape" {
				return s, nil
			}
			return value.Escape(&r.b, s)
		})
	case "replace":
		return onText("old new count", 2, replace)
	case "center":
		return onText("width", 0, center)
	case "wordcount":
		return onText("", 0, wordCount)
	case "indent":
		return filter{params: "width first blank", run: indent}, true
	case "truncate":
		return filter{params: "length killwords end leeway", run: truncate}, true
	case "format":
		return filter{raw: printf}, true
	}
	return filter{}, false
}

func trim(r *run, s *value.Str, a []value.Value) (value.Value, error) {
	if _, none := a[0].(value.None); none {
		a[0] = nil
	}
	chars, err := value.StrArg(a[0], nil)
	if err != nil {
		return nil, err
	}
	return value.Strip(&r.b, s, chars, true, true)
}

func replace(r *run, s *value.Str, a []value.Value) (value.Value, error) {
	from, err := value.ToStr(&r.b, a[0])
	if err != nil {
		return nil, err
	}
	to, err := value.ToStr(&r.b, a[1])
	if err != nil {
		return nil, err
	}
	n := int64(-1)
	if _, none := a[2].(value.None); !none {
		if n, err = value.IntArg(a[2], -1); err != nil {
			return nil, err
		}
	}
	return value.Replace(&r.b, s, from, to, n)
}

// title starts every word in upper case; words begin after spaces, hyphens and opening brackets only.
func title(r *run, s *value.Str, _ []value.Value) (value.Value, error) {
	w := value.NewBuilder(&r.b)
	fresh := true
	for part, trusted := range s.Runs() {
		for _, c := range part {
			begins := value.IsSpace(c) || strings.ContainsRune("-({[<", c)
			how := "lower"
			if fresh {
				how = "upper"
			}
			t, err := value.ChangeCase(&r.b, value.Text(string(c), trusted), how)
			if err != nil {
				return nil, err
			}
			w.AddStr(t)
			fresh = begins
		}
	}
	return w.Str()
}

func center(r *run, s *value.Str, a []value.Value) (value.Value, error) {
	width := value.Value(value.Int(80))
	if a[0] != nil {
		width = a[0]
	}
	v, _, err := value.CallMethod(&r.b, s, "center", value.Args{Pos: []value.Value{width}})
	return v, err
}

func wordCount(r *run, s *value.Str, _ []value.Value) (value.Value, error) {
	n, inWord := 0, false
	for _, c := range s.String() {
		word := c == '_' || value.IsClass(string(c), "isalnum")
		if word && !inWord {
			n++
		}
		inWord = word
	}
	return value.Int(n), r.b.Scan(len(s.String()))
}

// wantText is the input of a filter that takes nothing but text.
func wantText(v value.Value) (*value.Str, error) {
	switch s := v.(type) { //nolint:exhaustive // the other types share what follows
	case *value.Str:
		return s, nil
	case *value.Undefined:
		return nil, s.Err()
	}
	return nil, value.Fail("expected text, not ", v.TypeName())
}

func indent(r *run, in value.Value, a []value.Value) (value.Value, error) {
	s, err := wantText(in)
	if err != nil {
		return nil, err
	}
	var width value.Value = value.Int(4)
	if a[0] != nil {
		width = a[0]
	}
	by, ok := width.(*value.Str)
	if !ok {
		v, err := value.Binary(&r.b, "*", value.Text(" ", true), width)
		if err != nil {
			return nil, err
		}
		if by, err = wantText(v); err != nil {
			return nil, err
		}
	}
	return value.Indent(&r.b, s, by, flag(a[1]), flag(a[2]))
}

func truncate(r *run, in value.Value, a []value.Value) (value.Value, error) {
	if isUndefined(in) {
		return in, nil
	}
	s, err := wantText(in)
	if err != nil {
		return nil, err
	}
	length, err := value.IntArg(a[0], 255)
	if err != nil {
		return nil, err
	}
	end, err := value.StrArg(a[2], value.Text("...", true))
	if err != nil {
		return nil, err
	}
	leeway := int64(5)
	if _, none := a[3].(value.None); !none {
		if leeway, err = value.IntArg(a[3], 5); err != nil {
			return nil, err
		}
	}
	keep := length - int64(end.Len())
	if keep < 0 || leeway < 0 {
		return nil, value.Fail("truncate: the length is shorter than the ending, or the leeway is negative")
	}
	if int64(s.Len()) <= length+leeway {
		return s, nil
	}
	cut, err := value.Slice(&r.b, s, nil, value.Int(keep), nil)
	if err != nil {
		return nil, err
	}
	if !flag(a[1]) {
		words, _, err := value.CallMethod(&r.b, cut, "rsplit", value.Args{Pos: []value.Value{value.Text(" ", true), value.Int(1)}})
		if err != nil {
			return nil, err
		}
		if cut, err = value.GetItem(&r.b, words, value.Int(0)); err != nil {
			return nil, err
		}
	}
	return value.Binary(&r.b, "+", cut, end)
}

// printf is the % operator as a filter.
func printf(r *run, in value.Value, a value.Args) (value.Value, error) {
	s, err := value.ToStr(&r.b, in)
	if err != nil {
		return nil, err
	}
	if len(a.Kw) == 0 {
		return format.Percent(&r.b, s, &value.Tuple{Items: a.Pos})
	}
	if len(a.Pos) > 0 {
		return nil, value.Fail("can't handle positional and keyword arguments at the same time")
	}
	d, err := r.dictOf(value.Args{Kw: a.Kw})
	if err != nil {
		return nil, err
	}
	return format.Percent(&r.b, s, d)
}
