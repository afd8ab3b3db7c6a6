package guide

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

type bomb struct {
	name   string
	kind   core.FormatKind
	source string
	taken  bool // it looks like one and is none
}

func nest(open, inner, end string, n int) string {
	return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
}

func series(n int, sep, format string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(strings.ReplaceAll(format, "%i", "%[1]d"), i, i+1)
	}
	return strings.Join(parts, sep)
}

func bombs() []bomb {
	const schema, regex, lark = core.FormatSchema, core.FormatRegex, core.FormatLark
	return []bomb{
		{"brackets", schema, strings.Repeat("[", 100_000), false},
		{"items in items", schema, nest(`{"items":`, "true", "}", 20_000), false},
		{"a long tuple", schema, `{"prefixItems":[` + series(600, ",", `{"const":%i}`) + `]}`, true},
		{"an impossible string", schema, `{"type":"string","pattern":"^a+$","minLength":3,"maxLength":5,"allOf":[{"pattern":"^a{7}"}]}`, false},
		{"items in items, just too deep", schema, nest(`{"type":"array","items":`, "true", "}", 70), false},
		{"a product of choices", schema, `{"allOf":[` + series(20, ",", `{"anyOf":[{"minLength":%i},{"maxLength":9%i}]}`) + `]}`, false},
		{"many laughs", schema, `{"$defs":{` + series(40, ",", `"d%i":{"anyOf":[{"$ref":"#/$defs/d%[2]d"},{"$ref":"#/$defs/d%[2]d"}]}`) + `,"d40":{"const":1}},"$ref":"#/$defs/d0"}`, false},
		{"many laughs in objects", schema, `{"$defs":{` + series(40, ",", `"d%i":{"type":"object","properties":{"a":{"$ref":"#/$defs/d%[2]d"},"b":{"$ref":"#/$defs/d%[2]d"}}}`) + `,"d40":{"const":1}},"$ref":"#/$defs/d0"}`, true},
		{"a billion items", schema, `{"type":"array","minItems":1000000000}`, false},
		{"a billion characters", schema, `{"type":"string","minLength":1000000000}`, false},
		{"at most a billion", schema, `{"type":"array","maxItems":1000000000,"items":{"type":"string","maxLength":1000000000}}`, true},
		{"many items of many items", schema, nest(`{"type":"array","minItems":9000,"items":`, `{"type":"null"}`, "}", 20), true},
		{"a long string with a pattern", schema, `{"type":"string","minLength":90000,"pattern":"(a|b)*c"}`, false},
		{"a longer string with a pattern", schema, `{"type":"string","minLength":900,"pattern":"(a|b)*c"}`, true},
		{"repetitions of repetitions", schema, `{"type":"string","pattern":"((a{1000}){1000}){1000}"}`, false},
		{"a pattern with a wide window", schema, `{"type":"string","pattern":"a.{900}b"}`, true},
		{"nested stars", schema, `{"type":"string","pattern":"^((a+)+)+$"}`, true},
		{"a reference to itself", schema, `{"$ref":"#"}`, false},
		{"references in a circle", schema, `{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"allOf":[{"$ref":"#/$defs/a"}]}},"$ref":"#/$defs/a"}`, false},
		{"no end", schema, `{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`, false},
		{"a chain of references", schema, `{"$defs":{` + series(3000, ",", `"d%i":{"type":"object","properties":{"a":{"$ref":"#/$defs/d%[2]d"}}}`) + `,"d3000":{"const":1}},"$ref":"#/$defs/d0"}`, false},
		{"a chain of plain references", schema, `{"$defs":{` + series(4000, ",", `"d%i":{"$ref":"#/$defs/d%[2]d"}`) + `,"d4000":{"const":1}},"$ref":"#/$defs/d0"}`, true},
		{"many properties", schema, `{"type":"object","properties":{` + series(7000, ",", `"property%i":{"type":"string"}`) + `}}`, false},
		{"many required properties", schema, `{"type":"object","properties":{` + series(1000, ",", `"p%i":{"const":%i}`) + `},"required":[` + series(1000, ",", `"p%i"`) + `]}`, true},
		{"many properties, counted", schema, `{"type":"object","minProperties":100,"properties":{` + series(4000, ",", `"p%i":{}`) + `}}`, false},
		{"many values", schema, `{"enum":[` + series(4_000, ",", `"value %i"`) + `]}`, true},
		{"too many values", schema, `{"enum":[` + series(15_000, ",", `%i`) + `]}`, false},
		{"many options of oneOf", schema, `{"oneOf":[` + series(3000, ",", `{"const":%i}`) + `]}`, false},
		{"a long number", schema, `{"const":1e400}`, false},
		{"a fine step", schema, `{"type":"number","multipleOf":1e-400}`, false},
		{"many patterns of properties", schema, `{"type":"object","patternProperties":{` + series(300, ",", `"^a.*%i":{"const":%i}`) + `}}`, false},
		{"some patterns of properties", schema, `{"type":"object","patternProperties":{` + series(8, ",", `"^a.*%i":{"const":%i}`) + `}}`, true},
		{"conjunctions that grow", schema, `{"$defs":{` + series(12, ",", `"d%i":{"type":"object","properties":{"a":{"allOf":[{"$ref":"#/$defs/d%[2]d"},{"$ref":"#"}]},"b":{"$ref":"#"}}}`) + `,"d12":{"$ref":"#/$defs/d3"}},"allOf":[{"$ref":"#/$defs/d0"},{"$ref":"#/$defs/d1"},{"$ref":"#/$defs/d2"}]}`, true},
		{"repeated groups", regex, `((a{1000}){1000}){1000}`, false},
		{"groups", regex, nest("(", "a", ")", 50_000), false},
		{"a wide window", regex, `.*a.{990}`, true},
		{"windows in windows", regex, `(.*a.{100}b){9}`, true},
		{"alternatives", regex, series(20_000, "|", "word%i"), true},
		{"groups in a rule", lark, "start: " + nest("(", `"a"`, ")", 20_000), false},
		{"groups with control tokens", lark, "start: " + nest("(<)>", `"a"`, ")", 20_000), false},
		{"a chain of rules", lark, "start: r0\n" + series(15_000, "\n", "r%i: r%[2]d") + "\nr15000: \"a\"", false},
		{"a chain of rules that may be left out of a tree", lark, "?start: r0\n" + series(15_000, "\n", "?r%i: r%[2]d") + "\n!r15000: \"a\"", false},
		{"a chain of terminals", lark, "start: T0\n" + series(15_000, "\n", "T%i: T%[2]d") + "\nT15000: \"a\"", false},
		{"a billion repetitions", lark, `start: "a"{1000000000}`, true},
		{"a billion repetitions of a rule", lark, "start: a{1000000000}\na: \"b\" | \"c\"", true},
		{"repetitions of repetitions of rules", lark, "start: a{30000}\na: b{30000}\nb: c{30000}\nc: \"d\" | \"e\"", true},
		{"ambiguous", lark, "start: start start | \"a\"", true},
		{"very ambiguous", lark, "start: a*\na: b* | \"x\" a\nb: \"x\"* c*\nc: \"x\" | \"x\" \"x\" | a", true},
		{"many rules", lark, "start: " + series(6_000, " | ", "r%i") + "\n" + series(6_000, "\n", `r%i: "%i" /[a-z]+/`), true},
		{"many hard terminals", lark, "start: " + series(1500, " | ", "T%i") + "\n" + series(1500, "\n", `T%i: /.{1,64}/ & /.*a.*%i/ & ~(/.*b.*%i/)`), false},
		{"a schema within", lark, `start: "a" %json ` + nest(`{"items":`, "true", "}", 2000), false},
		{"a bad regular expression within", lark, "start: /" + nest("(", "a", ")", 10_000) + "/", false},
	}
}

// TestBombsEndSoon: hostile sources are refused in a moment, and what looks hostile and is not can be followed.
func TestBombsEndSoon(t *testing.T) {
	m, v := maker(t)
	if err := m.Warm(); err != nil {
		t.Fatal(err)
	}
	const bound = time.Second // of work: what other processes do meanwhile does not count, but for the caches that they take
	for _, b := range bombs() {
		began := worked(t)
		g, err := m.New(t.Context(), "a", engine.Constraint{Kind: b.kind, Source: b.source})
		took := worked(t) - began
		for tenant := range 3 { // the collector may have run in between
			if took > bound {
				began = worked(t)
				if again, err := m.New(t.Context(), strconv.Itoa(tenant), engine.Constraint{Kind: b.kind, Source: b.source}); err == nil {
					again.Close()
				}
				took = min(took, worked(t)-began)
			}
		}
		t.Logf("%-40s %8.1f ms  %.160v", b.name, float64(took.Microseconds())/1000, err)
		if took > bound {
			t.Errorf("%s took %v", b.name, took)
		}
		if err != nil {
			if core.CodeOf(err) != core.CodeInvalidRequest || !strings.HasPrefix(core.AsError(err).Param, param) {
				t.Errorf("%s: %v", b.name, err)
			}
			if b.taken {
				t.Errorf("%s was refused: %v", b.name, err)
			}
			continue
		}
		if !b.taken {
			t.Errorf("%s was taken", b.name)
		}
		began = worked(t)
		fake, logits := newModel(v, 1), make([]float32, len(v.Pieces))
		steps := 0
		for ; steps < 30 && g.Err() == nil; steps++ {
			if g.Forced(64); g.Done() {
				break
			}
			fake.logits(logits)
			g.MaskLogits(logits)
			best := 0
			for i, l := range logits {
				if l > logits[best] {
					best = i
				}
			}
			g.Accept(Token(best))
		}
		took = worked(t) - began
		t.Logf("%-40s %8.1f ms for %d masks, %.160v", "", float64(took.Microseconds())/1000, steps, g.Err())
		g.Close()
	}
}
