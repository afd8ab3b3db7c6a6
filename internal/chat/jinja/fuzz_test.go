package jinja

import (
	"errors"
	"testing"

	"ashatai/internal/chat/jinja/value"
)

// FuzzTemplate parses and renders anything within a small budget: it must end with text or a *value.Error, and the marks
// must cover the text.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{
		chatML,
		"{% macro f(a, b=1) %}{{ a }}{{ varargs }}{{ kwargs }}{{ caller() }}{% endmacro %}{% call(x) f(1) %}{{ x }}{% endcall %}",
		"{%- for k, v in d.items() if v -%}{{ loop.index }}{{ loop.nextitem }}{% break %}{%- else +%}x{% endfor %}",
		"{{ 'a%s%5.2f' % (m[0].role, 1.5) ~ '{:>5}{!r}'.format(1, 'x') }}{{ m|tojson(indent=2, sort_keys=true) }}",
		"{% set ns = namespace(a=1) %}{% set ns.a = ns.a ** 2 // 3 % 4 %}{% set x %}{{ ns.a }}{% endset %}{% filter upper %}{{ x }}{% endfilter %}",
		"{{ [1, 'a', {'b': (1,)}][::-1] }}{{ m|selectattr('role', 'eq', 'user')|map(attribute='content')|join(', ') }}{{ 1 < 2 != 3 in [4] }}",
		"{% raw %}{{{% endraw %}{# c -#} {{- '\\u00e9\\x41' 'b' -}} {% with a=1 %}{{ a is odd }}{% endwith %}{{ 0x1f + 1_0.5e3 }}",
		"{{ s.split()|sort(reverse=true)|unique|list }}{{ s.strip('a').replace('b', 'c')[1:-1].title() }}{{ strftime_now('%Y-%m-%d') }}",
	} {
		f.Add(s)
	}
	vars := map[string]value.Value{
		"s": value.Text("héllo\nworld", false),
		"m": chatVars(3)["messages"],
	}
	vars["messages"] = vars["m"]
	d := &value.Dict{}
	d.PutText(value.Text("k", false), value.Int(1))
	vars["d"] = d
	lim := Limits{Source: 4 << 10, Steps: 20_000, Memory: 4 << 20, Text: 64 << 10, Items: 2_000, Output: 64 << 10}
	f.Fuzz(func(t *testing.T, src string) {
		tpl, err := Parse(src, lim)
		if err != nil {
			checkError(t, err)
			return
		}
		out, err := tpl.Render(vars, Env{})
		if err != nil {
			checkError(t, err)
			return
		}
		n := 0
		for s := range out.Runs() {
			if s == "" {
				t.Fatal("an empty run")
			}
			n += len(s)
		}
		if n != len(out.String()) {
			t.Fatalf("the runs have %d bytes of %d", n, len(out.String()))
		}
	})
}

func checkError(t *testing.T, err error) {
	t.Helper()
	e, ok := errors.AsType[*value.Error](err)
	if !ok || e.Message == "" || e.Kind == "" || e.Line < 1 {
		t.Fatalf("got the error %#v", err)
	}
}
