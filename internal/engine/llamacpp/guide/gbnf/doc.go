// Package gbnf reads grammars in llama.cpp's own language to say where one is wrong, and to keep from llama.cpp what its reader does
// not survive: that reader is recursive, counts down from a negative number, walks every way through rules that fork, and does not know
// that a rule may be nothing by way of another one, so that it goes on for ever where one begins with itself behind that.
//
// It refuses to say what a grammar means, and what it cannot know without a vocabulary: whether a control token is one.
package gbnf

// Problem is why a grammar is refused, and where.
type Problem struct {
	Offset int    // bytes before the place
	Reason string // a clause
}

// Bounds of a grammar. Those of repetitions are llama.cpp's own.
const (
	maxGroups   = 400       // inside one another
	maxChain    = 4_000     // rules that begin with one another
	maxWays     = 200_000   // through rules that begin with one another
	maxElements = 1_000_000 // characters and names, repetitions spelled out
	maxTimes    = 2_000     // repetitions
)

// Check reads a grammar with the start rule "root"; nil where nothing is wrong with it.
func Check(source string) *Problem {
	r := reader{src: source, ids: map[string]int{}}
	if bad := r.read(); bad != nil {
		return bad
	}
	return r.whole()
}
