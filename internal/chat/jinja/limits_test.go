package jinja

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"ashatai/internal/chat/jinja/value"
)

// renderError renders a template that must fail, and returns its error.
func renderError(t *testing.T, src string, lim Limits, vars map[string]value.Value) *value.Error {
	t.Helper()
	tpl, err := Parse(src, lim)
	if err == nil {
		_, err = tpl.Render(vars, Env{})
	}
	e, ok := errors.AsType[*value.Error](err)
	if !ok {
		t.Fatalf("got the error %v, want a *value.Error", err)
	}
	return e
}

// TestHostile renders templates that end other engines, and wants a budget's clear error.
func TestHostile(t *testing.T) {
	t.Parallel()
	deep := func(open, mid, end string, n int) string {
		return strings.Repeat(open, n) + mid + strings.Repeat(end, n)
	}
	for name, src := range map[string]string{
		"endless macro":             `{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}`,
		"mutual macros":             `{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}`,
		"macro default":             `{% macro f(x=f()) %}{% endmacro %}{{ f() }}`,
		"endless caller":            `{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{{ caller() }}{% endmacro %}{% call f() %}x{% endcall %}`,
		"parentheses":               "{{ " + deep("(", "1", ")", 200_000) + " }}",
		"lists":                     "{{ " + deep("[", "1", "]", 200_000) + " }}",
		"dicts":                     "{{ " + deep("{1:", "1", "}", 100_000) + " }}",
		"minus signs":               "{{ " + strings.Repeat("-", 200_000) + "1 }}",
		"nots":                      "{{ " + strings.Repeat("not ", 100_000) + "1 }}",
		"conditions":                "{{ " + strings.Repeat("1 if 1 else ", 40_000) + "1 }}",
		"plus chain":                "{{ 1" + strings.Repeat("+1", 200_000) + " }}",
		"filter chain":              "{{ 1" + strings.Repeat("|string", 50_000) + " }}",
		"subscript chain":           "{{ x" + strings.Repeat("[0]", 100_000) + " }}",
		"attribute chain":           "{{ x" + strings.Repeat(".a", 200_000) + " }}",
		"call chain":                "{{ x" + strings.Repeat("()", 200_000) + " }}",
		"power chain":               "{{ 1" + strings.Repeat("**1", 100_000) + " }}",
		"nested ifs":                deep("{% if 1 %}", "", "{% endif %}", 20_000),
		"nested loops":              deep("{% for x in y %}", "", "{% endfor %}", 10_000),
		"template size":             strings.Repeat("x", 600<<10),
		"string doubling":           `{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}`,
		"tilde doubling":            `{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}`,
		"list doubling":             `{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}`,
		"tuple doubling":            `{% set ns = namespace(s=(1,)) %}{% for i in range(60) %}{% set ns.s = ns.s * 2 %}{% endfor %}`,
		"range":                     `{% for i in range(2000000000) %}{% endfor %}`,
		"range of everything":       `{{ range(-9223372036854775807, 9223372036854775807)|length }}`,
		"text times":                `{{ 'a' * 2000000000 }}`,
		"times text":                `{{ 2000000000 * 'a' }}`,
		"list times":                `{{ [1] * 2000000000 }}`,
		"empty list times":          `{{ [[]] * 9000000000000000000 }}`,
		"tojson indent":             `{{ [1]|tojson(indent=2000000000) }}`,
		"tojson deep indent":        `{{ [[[[[[[[[[[[1]]]]]]]]]]]]|tojson(indent=4000000) }}`,
		"indent filter":             `{{ 'a\nb'|indent(2000000000) }}`,
		"indent by text":            `{{ ('a\n' * 100000)|indent('x' * 10000) }}`,
		"replace":                   `{{ ('a' * 100000)|replace('a', 'b' * 10000) }}`,
		"replace nothing":           `{{ ('a' * 100000).replace('', 'b' * 10000) }}`,
		"join":                      `{{ range(100000)|join('b' * 10000) }}`,
		"join method":               `{{ ('b' * 10000).join('a' * 100000) }}`,
		"center":                    `{{ 'a'.center(2000000000) }}`,
		"ljust":                     `{{ 'a'.ljust(2000000000) }}`,
		"zfill":                     `{{ '1'.zfill(2000000000) }}`,
		"expandtabs":                `{{ '\t'.expandtabs(2000000000) }}`,
		"percent width":             `{{ '%2000000000d' % 1 }}`,
		"percent star":              `{{ '%*d' % (2000000000, 1) }}`,
		"percent precision":         `{{ '%.2000000000f' % 1 }}`,
		"format width":              `{{ '{:2000000000}'.format(1) }}`,
		"format precision":          `{{ '{:.100000000f}'.format(1) }}`,
		"batch":                     `{{ [1]|batch(2000000000, 0)|list }}`,
		"slice filter":              `{{ [1]|slice(2000000000)|list }}`,
		"split":                     `{{ ('a,' * 1000000).split(',')|length }}`,
		"characters":                `{{ ('a' * 1000000)|list|length }}`,
		"output":                    `{% set s = 'x' * 1000000 %}{% for i in range(1000) %}{{ s }}{% endfor %}`,
		"hoarding":                  `{% set ns = namespace(l=[]) %}{% for i in range(1000) %}{% set ns.l = ns.l + [('x' * 8000000) ~ i] %}{% endfor %}`,
		"nested loops that run":     `{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}`,
		"scanning":                  `{% set s = 'x' * 10000000 %}{% for i in range(100000) %}{% if 'y' in s %}{% endif %}{% endfor %}`,
		"counting":                  `{% set s = 'x' * 10000000 %}{% for i in range(100000) %}{{ s.count('y') }}{% endfor %}`,
		"length of long text":       `{% set s = 'x' * 10000000 %}{% for i in range(100000) %}{{ s|length }}{% endfor %}`,
		"indexing long text":        `{% set s = 'é' * 5000000 %}{% for i in range(100000) %}{{ s[-1] }}{% endfor %}`,
		"comparing":                 `{% set a = 'x' * 10000000 %}{% set b = a ~ '' %}{% for i in range(100000) %}{% if a == b %}{% endif %}{% endfor %}`,
		"upper":                     `{% set s = 'x' * 10000000 %}{% for i in range(100000) %}{% set x = s|upper %}{% endfor %}`,
		"strip with many":           `{% set s = 'x' * 10000000 %}{% for i in range(1000) %}{% set x = s.strip('abcdefghijklmnopqrstuvw') %}{% endfor %}`,
		"shared twins printed":      `{% set ns = namespace(l=[1]) %}{% for i in range(100) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}`,
		"shared twins as json":      `{% set ns = namespace(l=[1]) %}{% for i in range(100) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l|tojson }}`,
		"shared twins compared":     `{% set a = namespace(l=[1]) %}{% set b = namespace(l=[1]) %}{% for i in range(100) %}{% set a.l = [a.l, a.l] %}{% set b.l = [b.l, b.l] %}{% endfor %}{{ a.l == b.l }}`,
		"deep list printed":         `{% set ns = namespace(l=[1]) %}{% for i in range(90000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}`,
		"deep list as json":         `{% set ns = namespace(l=[1]) %}{% for i in range(90000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l|tojson }}`,
		"deep lists compared":       `{% set a = namespace(l=[1]) %}{% set b = namespace(l=[1]) %}{% for i in range(90000) %}{% set a.l = [a.l] %}{% set b.l = [b.l] %}{% endfor %}{{ a.l == b.l }}`,
		"deep lists ordered":        `{% set a = namespace(l=[1]) %}{% set b = namespace(l=[2]) %}{% for i in range(90000) %}{% set a.l = [a.l] %}{% set b.l = [b.l] %}{% endfor %}{{ a.l < b.l }}`,
		"deep tuple as key":         `{% set a = namespace(l=(1,)) %}{% for i in range(90000) %}{% set a.l = (a.l,) %}{% endfor %}{{ {a.l: 1} }}`,
		"namespace within itself":   `{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}`,
		"dict within dict":          `{% set ns = namespace(d={}) %}{% for i in range(90000) %}{% set ns.d = dict(ns.d, **{'k' ~ i: 1}) %}{% endfor %}`,
		"namespace with much":       `{% set ns = namespace(**dict([('a', 1)])) %}{% for i in range(100000) %}{% for j in range(1000) %}{% set ns.a = ns.a ~ 'x' %}{% endfor %}{% endfor %}`,
		"format string in itself":   `{{ '{:{:{:{}}}}'.format(1,2,3,4) if false else 'a' * 999999999 }}`,
		"power":                     `{{ 9 ** 9 ** 9 }}`,
		"multiply":                  `{{ 9223372036854775807 * 2 }}`,
		"number too long":           `{{ ` + strings.Repeat("9", 100_000) + ` }}`,
		"keyword arguments":         `{% set d = namespace(d={}) %}{% for i in range(100000) %}{% set d.d = dict(d.d, a=1, **d.d) %}{% endfor %}{{ 'a' * 999999999 }}`,
		"chained generators":        `{% set ns = namespace(x=range(1000)|list) %}{% for i in range(100000) %}{% set ns.x = ns.x|map('string') %}{% endfor %}{{ ns.x|join }}`,
		"sorting":                   `{% for i in range(100) %}{% set x = range(100000)|sort(reverse=true) %}{% endfor %}`,
		"json of a loop's own text": `{% set ns = namespace(s='"') %}{% for i in range(60) %}{% set ns.s = ns.s|tojson %}{% endfor %}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := renderError(t, src, Limits{Steps: 2_000_000}, nil)
			// Python itself refuses some of these at once, and some end at the end of whole numbers.
			if e.Kind != value.Limit {
				t.Fatalf("got a %s error %q, want a budget's", e.Kind, e.Message)
			}
			if e.Line == 0 {
				t.Errorf("the error %q has no line", e.Message)
			}
		})
	}
}

// TestDateType is the case that ends engines without limits with an unmodified template: a macro that calls itself for
// every type it does not know.
func TestDateType(t *testing.T) {
	t.Parallel()
	const src = `{%- macro type_of(spec) -%}
{%- if spec.type == 'string' -%}str{%- elif spec.type == 'array' -%}list[{{ type_of(spec['items']) }}]
{%- elif spec is mapping -%}{{ type_of({'type': spec.type}) }}{%- endif -%}
{%- endmacro -%}
{{- type_of(param) -}}`
	d := &value.Dict{}
	d.PutText(value.Text("type", true), value.Text("date", false))
	e := renderError(t, src, Limits{}, map[string]value.Value{"param": d})
	if e.Kind != value.Limit {
		t.Fatalf("got %s: %s", e.Kind, e.Message)
	}
}

func TestEachLimit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		src string
		lim Limits
	}{
		"source":  {"0123456789", Limits{Source: 9}},
		"nesting": {"{{ ((1)) }}", Limits{Nesting: 3}},
		"depth":   {"{{ [[[[[[[[1]]]]]]]] }}", Limits{Depth: 5}},
		"steps":   {"{% for i in range(100) %}{{ i }}{% endfor %}", Limits{Steps: 50}},
		"memory":  {"{{ 'a' * 1000 }}", Limits{Memory: 500}},
		"text":    {"{{ 'a' * 1000 }}", Limits{Text: 999}},
		"items":   {"{{ [1, 2, 3] + [4] }}", Limits{Items: 3}},
		"output":  {"{{ 'a' * 600 }}{{ 'a' * 600 }}", Limits{Output: 1000}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if e := renderError(t, c.src, c.lim, nil); e.Kind != value.Limit {
				t.Fatalf("got %s: %s", e.Kind, e.Message)
			}
			tpl, err := Parse(c.src, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tpl.Render(nil, Env{}); err != nil {
				t.Fatalf("with the usual limits: %v", err)
			}
		})
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	tpl, err := Parse("{% for a in range(100000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	_, err = tpl.Render(nil, Env{Stop: func() bool { asked++; return asked > 3 }})
	e, ok := errors.AsType[*value.Error](err)
	if !ok || e.Kind != value.Stopped || asked != 4 {
		t.Fatalf("got %v after %d questions, want a stop at the 4th", err, asked)
	}
}

func TestErrorLines(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]int{
		"a\n{{ x.y }}":                                        2,
		"a\n\n{{ x|nofilter }}":                               3,
		"{% if x %}\n{{ 1 is notest }}\n":                     2, // the missing endif is noticed at the end
		"a\n{% if true %}\n{{ 1|nofilter }}\n{% endif %}":     3,
		"\n\n{% foo %}":                                       3,
		"{#\n\n#}\n{{ raise_exception('x') }}":                4,
		"{{ 'a' }}\n{{ 1 +\n 'a' }}":                          2,
		"{% raw %}\n\n{% endraw %}\n{{ $ }}":                  4,
		"{% for x in 5 %}{% endfor %}":                        1,
		"x\n{% set a, b = 1 %}":                               2,
		"x\n{% set a.b = 1 %}":                                2,
		"{% macro f() %}\n{{ x.y }}{% endmacro %}\n{{ f() }}": 2,
		"\n{{ 'unclosed }}":                                   2,
		"\n{{ [1, 2 }}":                                       2,
		"{{ 'a\n\nb' }}\n{{ x.y }}":                           4,
	} {
		if e := renderError(t, src, Limits{}, nil); e.Line != want {
			t.Errorf("%q: the error %q is said to be in line %d, want %d", src, e.Message, e.Line, want)
		}
	}
}

func TestRaise(t *testing.T) {
	t.Parallel()
	e := renderError(t, "{{ raise_exception('no ' ~ 1) }}", Limits{}, nil)
	if e.Kind != value.Raised || e.Message != "no 1" {
		t.Fatalf("got %s: %q", e.Kind, e.Message)
	}
}

// TestShared renders one template from many goroutines, for the race detector.
func TestShared(t *testing.T) {
	t.Parallel()
	tpl, err := Parse(`{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ m.role|upper }}{{ m.content.split(' ')|join('-') }}{% endfor %}{{ ns.n }}`, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	vars := chatVars(4)
	want, err := tpl.Render(vars, Env{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 8 {
		go func() {
			for range 50 {
				got, err := tpl.Render(vars, Env{})
				if err != nil || got.String() != want.String() {
					done <- fmt.Errorf("got %v, %w", got, err)
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
