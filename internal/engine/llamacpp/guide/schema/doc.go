// Package schema turns a JSON schema into a grammar, in llguidance's variant of Lark, whose every text is valid JSON that
// the schema accepts. It fails closed: a keyword that it cannot enforce is refused with its place, never left out. It may
// be narrower than the schema: texts have one fixed spacing, properties in the order of the schema, and no properties
// that the schema does not name, unless it says that there are some. It is pure, knows no model and calls no native code.
package schema

import "fmt"

// Problem says why a schema cannot be enforced, and where.
type Problem struct {
	Pointer string // JSON pointer (RFC 6901) into the schema; empty for the whole of it
	Reason  string // a clause without a full stop
}

func problem(at, format string, args ...any) *Problem {
	return &Problem{Pointer: at, Reason: fmt.Sprintf(format, args...)}
}

// Limits of what is taken. They are far above what people write, and low enough that each schema is done in a moment.
const (
	maxDepth    = 64      // levels of JSON, of the schema itself
	maxShapes   = 20_000  // alternatives, after everything was put together
	maxCompared = 100_000 // pairs of options of oneOf
	maxValues   = 4_000   // values of all enums
	maxMembers  = 1_500   // properties of all objects
	maxPatterns = 16      // patterns of the properties of one object
	maxMinimum  = 10_000  // a lower bound of lengths and counts
	maxCounted  = 4_096   // states of an object whose number of properties is bounded
	maxDigits   = 30      // of a number in the schema
	maxNested   = 1_000   // rules and groups inside one another: the reader of the grammar is recursive, with some KB a level
	maxRepeat   = 1 << 24 // an upper bound above it is none: no context holds that many
)
