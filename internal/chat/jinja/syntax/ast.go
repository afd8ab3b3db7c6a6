package syntax

import "ashatai/internal/chat/jinja/value"

// Base is what all nodes have: the line, from 1, and the height of the tree below, which bounds how deep evaluating it
// goes.
type Base struct {
	Line   int
	Height int
}

func (b *Base) base() *Base { return b }

// Expr is an expression.
type Expr interface{ base() *Base }

// Stmt is a statement.
type Stmt interface{ stmt() }

type (
	// Const is a literal, or the template's own text.
	Const struct {
		Base
		Val value.Value
	}
	// Name is a variable. Sym is its number in Tree.Names.
	Name struct {
		Base
		Sym int
	}
	// NSRef is ns.attr as the target of an assignment.
	NSRef struct {
		Base
		Sym  int
		Attr string
	}
	// Items is a list or tuple literal, or a tuple of targets.
	Items struct {
		Base
		Tuple bool
		Items []Expr
	}
	// Dict is a dict literal.
	Dict struct {
		Base
		Keys, Vals []Expr
	}
	// GetAttr is x.name.
	GetAttr struct {
		Base
		X    Expr
		Name string
	}
	// GetItem is x[key].
	GetItem struct {
		Base
		X, Key Expr
	}
	// Slice is x[lo:hi:step]; absent parts are nil.
	Slice struct {
		Base
		X, Lo, Hi, Step Expr
	}
	// Call is fn(args).
	Call struct {
		Base
		Fn   Expr
		Args Args
	}
	// Filter is x|name(args). X is nil in a filter block and in a set block.
	Filter struct {
		Base
		X    Expr
		Name string
		Args Args
	}
	// Test is "x is name(args)".
	Test struct {
		Base
		X    Expr
		Name string
		Args Args
	}
	// Unary is not, - or +.
	Unary struct {
		Base
		Op string
		X  Expr
	}
	// Binary is + - * / // % ** and or.
	Binary struct {
		Base
		Op   string
		X, Y Expr
	}
	// Compare is a chain such as a < b <= c; Ops[i] stands before Ys[i].
	Compare struct {
		Base
		X   Expr
		Ops []string
		Ys  []Expr
	}
	// Concat is a ~ b ~ c.
	Concat struct {
		Base
		Parts []Expr
	}
	// Cond is "Then if Test else Else"; Else may be nil.
	Cond struct {
		Base
		Test, Then, Else Expr
	}
)

// Args are the arguments of a call, a filter or a test.
type Args struct {
	Pos      []Expr
	Kw       []Keyword
	Star     Expr // *args, or nil
	StarStar Expr // **kwargs, or nil
}

// Empty reports whether there are no arguments at all.
func (a *Args) Empty() bool {
	return len(a.Pos) == 0 && len(a.Kw) == 0 && a.Star == nil && a.StarStar == nil
}

// Keyword is name=value in a call.
type Keyword struct {
	Name string
	Val  Expr
}

// Signature is the parameters of a macro or a call block. Defaults belong to the last parameters.
type Signature struct {
	Name     string
	Params   []int // symbols
	Defaults []Expr
	Caller   bool // the body speaks of caller, varargs, kwargs
	VarArgs  bool
	KwArgs   bool
}

type (
	// Output prints expressions one after the other.
	Output struct{ Nodes []Expr }
	// If runs the body of the first branch whose test holds, or Else.
	If struct {
		Tests  []Expr
		Bodies [][]Stmt
		Else   []Stmt
	}
	// For is a loop. Filter and Else may be nil. UsesLoop tells whether the body speaks of loop.
	For struct {
		Line     int
		Target   Expr
		Iter     Expr
		Filter   Expr
		Body     []Stmt
		Else     []Stmt
		UsesLoop bool
	}
	// Set is an assignment.
	Set struct {
		Line   int
		Target Expr
		Val    Expr
	}
	// SetBlock assigns what its body prints, after the filters.
	SetBlock struct {
		Line    int
		Target  Expr
		Filters []*Filter
		Body    []Stmt
	}
	// FilterBlock prints what its body prints, after the filters.
	FilterBlock struct {
		Line    int
		Filters []*Filter
		Body    []Stmt
	}
	// Macro defines a macro.
	Macro struct {
		Line int
		Sym  int
		Sig  Signature
		Body []Stmt
	}
	// CallBlock calls a macro with its body as caller.
	CallBlock struct {
		Line int
		Call *Call
		Sig  Signature
		Body []Stmt
	}
	// With runs its body in a scope with new variables.
	With struct {
		Line    int
		Targets []Expr
		Vals    []Expr
		Body    []Stmt
	}
	// Scope runs its body in a new scope: a generation tag, or a block. A block sees only the outermost variables.
	Scope struct {
		Body []Stmt
		Root bool
	}
	// Jump is break, or continue where Continue is set.
	Jump struct{ Continue bool }
)

func (*Output) stmt()      {}
func (*If) stmt()          {}
func (*For) stmt()         {}
func (*Set) stmt()         {}
func (*SetBlock) stmt()    {}
func (*FilterBlock) stmt() {}
func (*Macro) stmt()       {}
func (*CallBlock) stmt()   {}
func (*With) stmt()        {}
func (*Scope) stmt()       {}
func (*Jump) stmt()        {}

// Tree is a parsed template. It never changes.
type Tree struct {
	Body  []Stmt
	Names []string // the variables' names, by symbol
	Uses  []Use    // filters and tests that must exist for the template to be valid
}

// Use is a filter or a test that the template names outside of any condition.
type Use struct {
	Name string
	Test bool
	Line int
}

// LineOf is an expression's line.
func LineOf(e Expr) int { return e.base().Line }
