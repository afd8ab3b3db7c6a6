package guide

import (
	"math/rand/v2"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine/llamacpp/guide/gbnf"
)

func gbnfSeeds() []string {
	return []string{
		"root ::= \"a\" | (b [^x-z]+){2,} # c\nb ::= !<[1]> .?\n",
		"root ::= item (\", \" item)*\r\nitem ::= [a-zA-Z_0-9\\-]+ | \"\\x41\\u00e9\\n\\\"\"",
		"root ::= (\n  \"a\" |\n  x\n){2,3} x? y{4} z{5,6}\nx ::= .\ny ::= [^\\]\\[]\nz ::= [\\]a] | \"\"",
		"root ::= a b\na ::= \"x\" a | \"\"\nb ::= a? (\"q\" a)* \"y\"",
		"root ::= <|im_end|> <[3]> \"é\"",
	}
}

// TestGBNFAsLlamaReadsIt: what is refused before llama.cpp reads it is what llama.cpp refuses, but for what it would not survive.
func TestGBNFAsLlamaReadsIt(t *testing.T) {
	need(t, "ASHATAI_TEST_LIB", "ASHATAI_TEST_MODEL")
	v, err := realModel()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	const alphabet = "root::=ab xy\"\"[](){},|*+?.^-\\<>!#\n\r\t_0129é"
	signs := []rune(alphabet)
	taken, refused, wrong := 0, 0, 0
	for i := range 2000 {
		source := []rune(gbnfSeeds()[i%len(gbnfSeeds())])
		for range rng.IntN(4) {
			at := rng.IntN(len(source))
			switch rng.IntN(3) {
			case 0:
				source = append(source[:at], source[at+1:]...)
			case 1:
				source[at] = signs[rng.IntN(len(signs))]
			default:
				source = append(source[:at], append([]rune{signs[rng.IntN(len(signs))]}, source[at:]...)...)
			}
		}
		text := string(source)
		bad := gbnf.Check(text)
		if bad != nil && (strings.Contains(bad.Reason, "smaller than the least") || strings.Contains(bad.Reason, "ways through")) {
			continue
		}
		g, err := v.NewGrammar(text)
		if err == nil {
			taken++
			g.Close()
		} else {
			refused++
		}
		if (bad == nil) != (err == nil) && (bad != nil || !strings.Contains(text, "<")) { // a control token may be none of the model's
			if wrong++; wrong <= 10 {
				t.Errorf("%q: %+v; llama.cpp: %v", text, bad, err)
			}
		}
	}
	if taken < 300 || refused < 300 {
		t.Errorf("%d were taken and %d refused", taken, refused)
	}
}

// TestGBNFBombs: what llama.cpp would not survive does not come to it.
func TestGBNFBombs(t *testing.T) {
	need(t, "ASHATAI_TEST_LIB", "ASHATAI_TEST_MODEL")
	v, err := realModel()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{"root ::= " + strings.Repeat("(", 200_000), "line 1, column 410"},
		{"root ::= r0\n" + series(60, "\n", `r%i ::= r%[2]d "a" | r%[2]d "b"`) + "\nr60 ::= \"x\"", "ways through the rules"},
		{"root ::= \"a\"\n  \"b", "line 2, column 3: "},
		{`root ::= "a"{3,1}`, "line 1, column 16: "},
		{"root ::= <no-such-token>", "control token"},
	} {
		_, err := NewGBNF(v, c[0])
		if e := core.AsError(err); err == nil || e.Code != core.CodeInvalidRequest || e.Param != param || !strings.Contains(e.Message, c[1]) {
			t.Errorf("%.60s: %v; want %q", c[0], err, c[1])
		}
	}
}
