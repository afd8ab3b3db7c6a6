package spec

import (
	"hash/fnv"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ashatai/internal/engine/llamacpp/curve"
)

const plain = 10 * time.Millisecond

// steep is a machine on which rows save little: four cost 2.8 times as much as one.
func steep() curve.Line {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	return curve.Points(map[int]time.Duration{1: ms(10), 4: ms(28), 8: ms(46), 16: ms(82), 32: ms(156), 64: ms(214)})
}

// flat is a machine that is bound by reading the weights, as a GPU is: rows cost nearly nothing.
func flat() curve.Line {
	return curve.Points(map[int]time.Duration{1: plain, 64: 2 * plain})
}

// outcome is a simulated generation.
type outcome struct {
	took                     time.Duration
	calls, drafted, accepted int
}

// speedup over plain decoding of n tokens.
func (o outcome) speedup(n int) float64 { return float64(time.Duration(n)*plain) / float64(o.took) }

// simulate generates out after the prompt, where the model says exactly out.
func simulate(s *Speculator, verify curve.Line, prompt, out []int32) outcome {
	s.Prompt(prompt)
	var o outcome
	for i := 0; i < len(out); {
		draft := s.Draft(nil, Costs{Plain: plain, Streams: 1, Verify: verify}, len(out)-i-1)
		accepted := 0
		for accepted < len(draft) && draft[accepted] == out[i+accepted] {
			accepted++
		}
		o.took += plain
		if len(draft) > 0 {
			o.took += verify.Cost(len(draft)+1) - plain
		}
		s.Observe(len(draft), accepted)
		for _, tok := range out[i : i+accepted+1] {
			s.Add(tok)
		}
		i += accepted + 1
		o.calls++
		o.drafted += len(draft)
		o.accepted += accepted
	}
	return o
}

// words makes text whose words follow each other as in a language: a few are frequent, and each has its usual followers.
func words(r *rand.Rand, n int) []int32 {
	out := make([]int32, n)
	last := int32(0)
	for i := range out {
		if k := r.ExpFloat64() * 12; r.IntN(3) > 0 {
			last = (last*31 + int32(k)) % 8000 // one of the usual followers
		} else {
			last = int32(r.ExpFloat64()*400) % 8000
		}
		out[i] = last
	}
	return out
}

// edited copies text with a change every so many tokens: another word, a word more, some fewer.
func edited(r *rand.Rand, text []int32, every int) []int32 {
	var out []int32
	for i := 0; i < len(text); i++ {
		if r.IntN(every) > 0 {
			out = append(out, text[i])
			continue
		}
		switch r.IntN(3) {
		case 0:
			out = append(out, 9000+int32(r.IntN(500)))
		case 1:
			out = append(out, 9000+int32(r.IntN(500)), text[i])
		default:
			i += r.IntN(4)
		}
	}
	return out
}

// named is a text with a name after every so many words.
func named(text []int32, every int, name ...int32) []int32 {
	var out []int32
	for part := range slices.Chunk(text, every) {
		out = append(append(out, part...), name...)
	}
	return out
}

// sometimes replaces every third name.
func sometimes(text []int32, name, other int32) []int32 {
	out, n := slices.Clone(text), 0
	for i, t := range out {
		if t == name {
			if n++; n%3 == 0 {
				out[i] = other
			}
		}
	}
	return out
}

// source is this package's own code, cut into words and signs.
func source(t *testing.T, files ...string) []int32 {
	t.Helper()
	var out []int32
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range regexp.MustCompile(`\w+|\s+|.`).FindAll(b, -1) {
			h := fnv.New32a()
			_, _ = h.Write(w)
			out = append(out, int32(h.Sum32()%50_000))
		}
	}
	return out
}

// TestSpeedups is what the package is for: fast where the text repeats, never slower where it does not.
func TestSpeedups(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := words(r, 1200)
	noise := make([]int32, 1500)
	for i := range noise {
		noise[i] = int32(r.IntN(50_000))
	}
	for _, c := range []struct {
		name        string
		prompt, out []int32
		verify      curve.Line
		least       float64
	}{
		{"a copy of 256 tokens", text, text[300:556], steep(), 1.9},
		{"a copy of 1,200 tokens", text, text, steep(), 2.5},
		{"a copy of 256 tokens with a change every 40", text, edited(r, text[300:556], 40), steep(), 1.5},
		{"a copy with a change every 60", text, edited(r, text, 60), steep(), 1.7},
		{"a copy with a change every 25", text, edited(r, text, 25), steep(), 1.4},
		{"a copy with a change every 25, flat costs", text, edited(r, text, 25), flat(), 6.5},
		{"a name that is replaced every 25", named(text, 25, 9001), named(text, 25, 9002), steep(), 2.2},
		{"a name that becomes longer", named(text, 25, 9001), named(text, 25, 9002, 9003, 9004), steep(), 2.2},
		{"a name that becomes shorter", named(text, 25, 9001, 9002, 9003), named(text, 25, 9004), steep(), 2.2},
		{"a name that is left out", named(text, 25, 9001, 9002), named(text, 25), steep(), 2.2},
		{"a name that is replaced now and then", named(text, 25, 9001), sometimes(named(text, 25, 9001), 9001, 9002), steep(), 1.4},
		{"a loop of 20 tokens", nil, slices.Repeat(text[:20], 30), steep(), 2.2},
		{"code, edited", source(t, "spec.go"), edited(r, source(t, "spec.go"), 60), steep(), 1.5},
		{"new code after other code", source(t, "spec.go"), source(t, "index.go", "odds.go"), steep(), 0.98},
		{"new code after other code, flat costs", source(t, "spec.go"), source(t, "index.go", "odds.go"), flat(), 1.1},
		{"new prose", text, words(r, 2000), steep(), 0.98},
		{"new prose, flat costs", text, words(r, 2000), flat(), 0.98},
		{"noise", noise[:500], noise[500:], steep(), 0.98},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := simulate(New(8192), c.verify, c.prompt, c.out)
			got := o.speedup(len(c.out))
			t.Logf("%.2f times as fast: %d tokens in %d calls, %d of %d drafted tokens accepted", got, len(c.out), o.calls, o.accepted, o.drafted)
			if got < c.least {
				t.Errorf("%.3f times as fast, want %.2f", got, c.least)
			}
		})
	}
}

// TestNeverMuchSlower lets a text that wants to deceive repeat itself just long enough: the loss stays within what drafts
// may lose.
func TestNeverMuchSlower(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(uint64(rapid.IntRange(0, 1<<30).Draw(t, "seed")), 1))
		prompt := words(r, 600)
		var out []int32
		for range rapid.IntRange(10, 120).Draw(t, "pieces") {
			from := r.IntN(500)
			out = append(out, prompt[from:from+rapid.IntRange(1, 40).Draw(t, "copied")]...)
			out = append(out, words(r, rapid.IntRange(0, 20).Draw(t, "new"))...)
		}
		verify := steep()
		if rapid.Bool().Draw(t, "flat") {
			verify = flat()
		}
		o := simulate(New(1024), verify, prompt, out)
		most := time.Duration(len(out))*plain*(100+2)/100 + trust*plain
		if o.took > most {
			t.Fatalf("%v for %d tokens, at most %v allowed", o.took, len(out), most)
		}
	})
}

// TestAnAdversary repeats the prompt until a draft is made, and then says something else.
func TestAnAdversary(t *testing.T) {
	text := words(rand.New(rand.NewPCG(3, 4)), 600)
	for _, verify := range []curve.Line{steep(), flat()} {
		s := New(4096)
		s.Prompt(text)
		var took time.Duration
		n, drafts := 0, 0
		for at := 0; n < 3000; n++ {
			draft := s.Draft(nil, Costs{Plain: plain, Streams: 1, Verify: verify}, 100)
			next := text[at%len(text)]
			took += plain
			if len(draft) > 0 {
				took += verify.Cost(len(draft)+1) - plain
				next = draft[0] + 1
				drafts++
			}
			at++
			s.Observe(len(draft), 0)
			s.Add(next)
		}
		if most := time.Duration(n)*plain*101/100 + trust*plain; took > most || drafts == 0 {
			t.Errorf("%v for %d tokens with %d drafts, at most %v allowed", took, n, drafts, most)
		}
	}
}

// TestManyStreams: a row more of one sequence is dearer than a row of another one, so with company nothing is drafted
// unless it is sure and cheap.
func TestManyStreams(t *testing.T) {
	text := words(rand.New(rand.NewPCG(5, 6)), 600)
	s := New(4096)
	s.Prompt(text)
	for _, tok := range text[:100] {
		s.Add(tok)
	}
	c := Costs{Plain: 33 * time.Millisecond, Rest: 31 * time.Millisecond, Streams: 8, Verify: steep()}
	if d := s.Draft(nil, c, 127); len(d) > 0 {
		t.Errorf("a draft of %d tokens beside 7 streams on steep costs", len(d))
	}
	c.Verify = flat()
	if d := s.Draft(nil, c, 127); len(d) == 0 {
		t.Error("no draft beside 7 streams on flat costs")
	}
	if d := s.Draft(nil, Costs{Plain: plain, Streams: 1, Verify: flat()}, 5); len(d) == 0 || len(d) > 5 {
		t.Errorf("a draft of %d tokens with a limit of 5", len(d))
	}
	if d := s.Draft(nil, Costs{}, 5); len(d) > 0 {
		t.Error("a draft without costs")
	}
	if s.Odds() < 0.9 || New(10).Odds() != 0 {
		t.Errorf("odds %v in a copy", s.Odds())
	}
}
