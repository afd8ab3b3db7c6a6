package jinja

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ashatai/internal/chat/jinja/value"
)

// marked shows data in «».
func marked(s *value.Str) string {
	var b strings.Builder
	for text, trusted := range s.Runs() {
		if trusted {
			b.WriteString(text)
		} else {
			b.WriteString("«" + text + "»")
		}
	}
	return b.String()
}

func TestProvenance(t *testing.T) {
	t.Parallel()
	d := &value.Dict{}
	d.PutText(value.Text("k", false), value.Text("v w", false))
	vars := map[string]value.Value{
		"u": value.Text(" user Text ", false),
		"d": d,
		"l": &value.List{Items: []value.Value{value.Text("x", false), value.Text("y", false)}},
	}
	for src, want := range map[string]string{
		`<a>{{ u }}</a>`:                                                `<a>« user Text »</a>`,
		`{{ '<' + u + '>' }}`:                                           `<« user Text »>`,
		`{{ '<' ~ u ~ '>' ~ 1 }}`:                                       `<« user Text »>1`,
		`{{ ('<' + u + '>')[1:-1] }}`:                                   `« user Text »`,
		`{{ ('<' + u + '>')[3:] }}`:                                     `«ser Text »>`,
		`{{ ('a' + u + 'b')[::-1] }}`:                                   `b« txeT resu »a`,
		`{{ ('<' + u + '>')[1] }}{{ ('<' + u)[0] }}`:                    `« »<`,
		`{{ u.strip() }}|{{ u|trim }}|{{ u.lstrip() }}`:                 `«user Text»|«user Text»|«user Text »`,
		`{{ (' ' + u.strip() + ' ')|trim }}`:                            `«user Text»`,
		`{{ u.upper() }}{{ ('x' + u)|lower }}`:                          `« USER TEXT »x« user text »`,
		`{{ ('a' + u)|title }}|{{ ('a' + u).title() }}`:                 `A« User Text »|A« User Text »`,
		`{{ ('a' + u)|capitalize }}`:                                    `A« user text »`,
		`{{ u.replace('user', '<b>') }}`:                                `« »<b>« Text »`,
		`{{ 'a-b'.replace('-', u) }}`:                                   `a« user Text »b`,
		`{{ 'a-b'|replace('-', u) }}`:                                   `a« user Text »b`,
		`{{ ('<' ~ u ~ '>').split('T')|join('T') }}`:                    `<« user »T«ext »>`,
		`{{ l|join(', ') }}|{{ ', '.join(l) }}`:                         `«x», «y»|«x», «y»`,
		`{{ '%s:%s' % (u, 'a') }}`:                                      `« user Text »:a`,
		`{{ '%14s|' % u }}`:                                             `   « user Text »|`,
		`{{ u % () }}`:                                                  `« user Text »`,
		`{{ '{}:{x:>14}'.format(1, x=u) }}`:                             `1:   « user Text »`,
		`{{ u.format() }}`:                                              `« user Text »`,
		`{{ '%s-%s'|format(u, 'z') }}`:                                  `« user Text »-z`,
		`{{ d|tojson }}`:                                                `«{"k": "v w"}»`,
		`{{ {'a': 1}|tojson }}`:                                         `{"a": 1}`,
		`{{ {'a': u}|tojson }}`:                                         `«{"a": " user Text "}»`,
		`{{ d }}|{{ [1, 'a'] }}|{{ l }}`:                                `«{'k': 'v w'}»|[1, 'a']|«['x', 'y']»`,
		`{{ u|string }}{{ u|safe }}`:                                    `« user Text  user Text »`,
		`{{ ('<' + u)|e }}`:                                             `&lt;« user Text »`,
		`{% set x %}<{{ u }}>{% endset %}{{ x }}`:                       `<« user Text »>`,
		`{% macro f(x) %}<{{ x }}>{% endmacro %}{{ f(u) }}{{ f('t') }}`: `<« user Text »><t>`,
		`{% filter upper %}<a>{{ u }}{% endfilter %}`:                   `<A>« USER TEXT »`,
		`{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %}`:        `«k»=«v w»`,
		`{% for c in 'a' ~ u.strip()[:2] %}{{ c }}.{% endfor %}`:        `a.«u».«s».`,
		`{{ u * 2 }}{{ ('a' + u.strip()) * 2 }}`:                        `« user Text  user Text »a«user Text»a«user Text»`,
		`{{ 'x'.center(5, u.strip()[0]) }}`:                             `«uu»x«uu»`,
		`{{ u.strip()|indent(2, true) }}`:                               `  «user Text»`,
		`{{ ('a\n' ~ u.strip())|indent }}`:                              "a\n    «user Text»",
		`{{ u|length }}{{ l|length }}`:                                  `112`,
		`{{ u|default('x') }}{{ nope|default('x') }}`:                   `« user Text »x`,
		`{{ l|first }}{{ l|last }}{{ l|reverse|first }}`:                `«xyy»`,
		`{{ {'user Text': '<|ok|>'}[u.strip()] }}`:                      `<|ok|>`,
		`{{ u.partition('T')|join('|') }}`:                              `« user »|«T»|«ext »`,
		`{{ u.splitlines()[0] }}{{ (u ~ '.').rsplit(' ', 1)[1] }}`:      `« user Text ».`,
		`{{ u|truncate(8, true, leeway=0) }}`:                           `« user»...`,
		`{{ u.strip().zfill(11) }}`:                                     `00«user Text»`,
		`{{ ('\t' ~ u.strip()).expandtabs(2) }}`:                        `  «user Text»`,
		`{{ 'a' if u else u }}{{ u or 'a' }}`:                           `a« user Text »`,
		`{{ strftime_now('%Y') }}`:                                      `1`,
		`{{ strftime_now(u) }}`:                                         `« user Text »`,
		`{{ '%c' % 65 }}`:                                               `«A»`,
		`{{ u.strip().swapcase().casefold() }}`:                         `«user text»`,
	} {
		tpl, err := Parse(src, Limits{})
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		out, err := tpl.Render(vars, Env{})
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if got := marked(out); got != want {
			t.Errorf("%s\n got %s\nwant %s", src, got, want)
		}
	}
}

// TestDataStaysData puts a marker into the data and never finds it in trusted text, whatever is done to it.
func TestDataStaysData(t *testing.T) {
	t.Parallel()
	steps := []string{
		"|trim", "|upper", "|lower", "|title", "|capitalize", "|string", "|safe", "|e", "|indent(2)", "|tojson", "|reverse",
		"|replace('a', '<b>')", "[1:]", "[::-1]", "[:-2]", "[::2]", ".split('-')|join('<|x|>')", ".strip()", ".center(40, '.')",
		".replace('b', 'c')", ".format()", "|list|join", "|list|string", "|truncate(30, true)", ".partition('-')|join",
		".splitlines()|join", "*2", ".zfill(50)", ".rsplit('-', 1)|last", "|first", "|last", "|default('x')", ".expandtabs()",
		".removeprefix('a')", "|unique|join", "|map('upper')|join", "|select|join", "|sort|join", "|batch(3)|list|string",
	}
	rapid.Check(t, func(t *rapid.T) {
		parts := []string{"{% set v = '<|s|>' ~ data ~ '<|e|>' %}"}
		for _, step := range rapid.SliceOfN(rapid.SampledFrom(steps), 1, 5).Draw(t, "steps") {
			parts = append(parts, "{% set v = v", step, " %}{% if v is not string %}{% set v = v ~ '' %}{% endif %}")
		}
		src := strings.Join(append(parts, "{{ v }}"), "")
		// The marker is of characters that neither the template nor its operations make.
		data := rapid.StringOfN(rapid.SampledFrom([]rune("ΩЖ漢-ω😀")), 1, 20, -1).Draw(t, "data")
		tpl, err := Parse(src, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := tpl.Render(map[string]value.Value{"data": value.Text(data, false)}, Env{})
		if err != nil {
			return // some chains ask for things that Python refuses as well
		}
		for text, trusted := range out.Runs() {
			if trusted && strings.ContainsAny(text, "ΩЖж漢ω😀") {
				t.Fatalf("%s makes %q trusted", src, text)
			}
		}
	})
}
