package syntax

import (
	"slices"
	"strings"

	"ashatai/internal/chat/jinja/value"
)

// heightFactor is how many times higher than it nests a tree may be: a chain such as a + b + c is high, not nested.
const heightFactor = 4

// Parse reads a template whose brackets and tags nest at most nesting deep. The errors are *value.Error with a line.
func Parse(src string, nesting int) (*Tree, error) {
	p := &parser{lex: newLexer(src, nesting), nesting: nesting, syms: map[string]int{}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	body, err := p.body()
	if err != nil {
		return nil, err
	}
	if p.cur.kind != tokEOF {
		return nil, p.fail(p.cur.line, "unexpected '", p.cur.describe(), "'")
	}
	p.tree.Body = body
	return &p.tree, nil
}

type parser struct {
	lex     *lexer
	cur     token
	ahead   token
	peeked  bool
	tree    Tree
	syms    map[string]int
	nesting int
	depth   int
	loops   int // loops around the current place, within the same macro
	soft    int // conditions around the current place: unknown filters are no error before they run
	loopUse int // how often the name loop was read so far
	sigs    []*Signature
}

func (p *parser) fail(line int, parts ...string) error {
	return &value.Error{Kind: value.Syntax, Message: strings.Join(parts, ""), Line: line}
}

func (p *parser) advance() error {
	if p.peeked {
		p.cur, p.peeked = p.ahead, false
		return nil
	}
	var err error
	p.cur, err = p.lex.next()
	return err
}

func (p *parser) look() (token, error) {
	if !p.peeked {
		var err error
		if p.ahead, err = p.lex.next(); err != nil {
			return token{}, err
		}
		p.peeked = true
	}
	return p.ahead, nil
}

// skip consumes the current token where it is of that kind.
func (p *parser) skip(kind string) (bool, error) {
	if p.cur.kind != kind {
		return false, nil
	}
	return true, p.advance()
}

// skipName consumes the current token where it is that name.
func (p *parser) skipName(name string) (bool, error) {
	if !p.cur.is(name) {
		return false, nil
	}
	return true, p.advance()
}

func (p *parser) expect(kind string) (token, error) {
	t := p.cur
	if t.kind != kind {
		if t.kind == tokEOF {
			return t, p.fail(t.line, "unexpected end of template, expected '", kind, "'")
		}
		return t, p.fail(t.line, "expected token '", kind, "', got '", t.describe(), "'")
	}
	return t, p.advance()
}

func (p *parser) expectName(name string) error {
	if !p.cur.is(name) {
		return p.fail(p.cur.line, "expected token '", name, "', got '", p.cur.describe(), "'")
	}
	return p.advance()
}

func (p *parser) enter() error {
	if p.depth >= p.nesting {
		return &value.Error{Kind: value.Limit, Message: "the template nests too deeply", Line: p.cur.line}
	}
	p.depth++
	return nil
}

func (p *parser) leave() { p.depth-- }

// sym is a variable's number.
func (p *parser) sym(name string) int {
	if i, ok := p.syms[name]; ok {
		return i
	}
	i := len(p.tree.Names)
	p.syms[name] = i
	p.tree.Names = append(p.tree.Names, name)
	return i
}

// read is a variable that is read.
func (p *parser) read(name string, line int) *Name {
	switch name {
	case "loop":
		p.loopUse++
	case "caller":
		for _, s := range p.sigs {
			s.Caller = true
		}
	case "varargs":
		for _, s := range p.sigs {
			s.VarArgs = true
		}
	case "kwargs":
		for _, s := range p.sigs {
			s.KwArgs = true
		}
	}
	return &Name{Base{Line: line, Height: 1}, p.sym(name)}
}

// above makes the Base of a node over children.
func (p *parser) above(line int, children ...Expr) (Base, error) {
	h := 0
	for _, c := range children {
		if c != nil {
			h = max(h, c.base().Height)
		}
	}
	if h >= p.nesting*heightFactor {
		return Base{}, &value.Error{Kind: value.Limit, Message: "an expression of the template is too long a chain", Line: line}
	}
	return Base{line, h + 1}, nil
}

// body reads statements up to one of the end tags, whose name is then the current token; without end tags, to the end.
func (p *parser) body(ends ...string) ([]Stmt, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	var out []Stmt
	for {
		switch p.cur.kind {
		case tokEOF:
			if len(ends) > 0 {
				return nil, p.fail(p.cur.line, "Unexpected end of template. Jinja was looking for the following tags: '", strings.Join(ends, "' or '"), "'.")
			}
			return out, nil
		case tokTagBegin:
			if err := p.advance(); err != nil {
				return nil, err
			}
			if slices.ContainsFunc(ends, p.cur.is) {
				return out, nil
			}
			s, err := p.statement()
			if err != nil {
				return nil, err
			}
			out = append(out, s)
			if _, err := p.expect(tokTagEnd); err != nil {
				return nil, err
			}
		default:
			o, err := p.output()
			if err != nil {
				return nil, err
			}
			out = append(out, o)
		}
	}
}

// output reads data and print statements up to the next tag.
func (p *parser) output() (Stmt, error) {
	out := &Output{}
	for {
		switch p.cur.kind {
		case tokData:
			out.Nodes = append(out.Nodes, text(p.cur))
			if err := p.advance(); err != nil {
				return nil, err
			}
		case tokVarBegin:
			if err := p.advance(); err != nil {
				return nil, err
			}
			e, err := p.tuple(tupleRule{cond: true})
			if err != nil {
				return nil, err
			}
			out.Nodes = append(out.Nodes, e)
			if _, err := p.expect(tokVarEnd); err != nil {
				return nil, err
			}
		case tokEOF, tokTagBegin:
			return out, nil
		default:
			return nil, p.fail(p.cur.line, "unexpected '", p.cur.describe(), "'")
		}
	}
}

func text(t token) *Const {
	return &Const{Base{t.line, 1}, value.Text(t.text, true)}
}

// block reads ":"? "%}" body, and consumes the end tag's name.
func (p *parser) block(ends ...string) ([]Stmt, string, error) {
	if _, err := p.skip(":"); err != nil {
		return nil, "", err
	}
	if _, err := p.expect(tokTagEnd); err != nil {
		return nil, "", err
	}
	body, err := p.body(ends...)
	if err != nil {
		return nil, "", err
	}
	end := p.cur.text
	return body, end, p.advance()
}
