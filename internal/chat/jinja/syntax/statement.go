package syntax

import (
	"slices"

	"ashatai/internal/chat/jinja/value"
)

func (p *parser) statement() (Stmt, error) {
	t := p.cur
	if t.kind != tokName {
		return nil, p.fail(t.line, "tag name expected")
	}
	switch t.text {
	case "for":
		return p.forLoop()
	case "if":
		return p.ifElse()
	case "set":
		return p.set()
	case "macro":
		return p.macro()
	case "call":
		return p.callBlock()
	case "filter":
		return p.filterBlock()
	case "with":
		return p.with()
	case "block":
		return p.namedBlock()
	case "generation", "autoescape":
		return p.scope()
	case "print":
		return p.print()
	case "break", "continue":
		if p.loops == 0 {
			return nil, p.fail(t.line, "'", t.text, "' outside loop")
		}
		return &Jump{t.text == "continue"}, p.advance()
	case "include", "import", "from", "extends":
		return nil, p.fail(t.line, "the tag '", t.text, "' would load another template, which a chat template cannot")
	}
	return nil, p.fail(t.line, "Encountered unknown tag '", clip(t.text), "'.")
}

func (p *parser) forLoop() (Stmt, error) {
	f := &For{Line: p.cur.line}
	if err := p.advance(); err != nil {
		return nil, err
	}
	var err error
	if f.Target, err = p.target(tupleRule{}); err != nil {
		return nil, err
	}
	if err := p.expectName("in"); err != nil {
		return nil, err
	}
	if f.Iter, err = p.tuple(tupleRule{}); err != nil {
		return nil, err
	}
	if ok, err := p.skipName("if"); err != nil {
		return nil, err
	} else if ok {
		if f.Filter, err = p.expression(); err != nil {
			return nil, err
		}
	}
	if p.cur.is("recursive") {
		return nil, p.fail(p.cur.line, "recursive loops are not supported")
	}
	before := p.loopUse
	p.loops++
	body, end, err := p.block("endfor", "else")
	p.loops--
	if err != nil {
		return nil, err
	}
	f.Body, f.UsesLoop = body, p.loopUse != before
	if end == "else" {
		f.Else, _, err = p.block("endfor")
	}
	return f, err
}

func (p *parser) ifElse() (Stmt, error) {
	out := &If{}
	p.soft++
	defer func() { p.soft-- }()
	if err := p.advance(); err != nil {
		return nil, err
	}
	for {
		test, err := p.tuple(tupleRule{})
		if err != nil {
			return nil, err
		}
		body, end, err := p.block("elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		out.Tests, out.Bodies = append(out.Tests, test), append(out.Bodies, body)
		if end == "elif" {
			continue
		}
		if end == "else" {
			out.Else, _, err = p.block("endif")
		}
		return out, err
	}
}

func (p *parser) set() (Stmt, error) {
	line := p.cur.line
	if err := p.advance(); err != nil {
		return nil, err
	}
	target, err := p.target(tupleRule{namespace: true})
	if err != nil {
		return nil, err
	}
	if ok, err := p.skip("="); err != nil {
		return nil, err
	} else if ok {
		val, err := p.tuple(tupleRule{cond: true})
		return &Set{line, target, val}, err
	}
	filters, err := p.filters()
	if err != nil {
		return nil, err
	}
	body, _, err := p.block("endset")
	return &SetBlock{line, target, filters, body}, err
}

// filters reads |name(args) as often as it comes.
func (p *parser) filters() ([]*Filter, error) {
	var out []*Filter
	for {
		ok, err := p.skip("|")
		if err != nil || !ok {
			return out, err
		}
		f, err := p.filter(nil)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
}

func (p *parser) filterBlock() (Stmt, error) {
	line := p.cur.line
	if err := p.advance(); err != nil {
		return nil, err
	}
	first, err := p.filter(nil)
	if err != nil {
		return nil, err
	}
	rest, err := p.filters()
	if err != nil {
		return nil, err
	}
	body, _, err := p.block("endfilter")
	return &FilterBlock{line, append([]*Filter{first}, rest...), body}, err
}

// signature reads the parameters of a macro or a call block.
func (p *parser) signature(s *Signature) error {
	if _, err := p.expect("("); err != nil {
		return err
	}
	for p.cur.kind != ")" {
		if len(s.Params) > 0 {
			if _, err := p.expect(","); err != nil {
				return err
			}
		}
		t, err := p.expect(tokName)
		if err != nil {
			return err
		}
		s.Params = append(s.Params, p.sym(t.text))
		ok, err := p.skip("=")
		switch {
		case err != nil:
			return err
		case ok:
			d, err := p.expression()
			if err != nil {
				return err
			}
			s.Defaults = append(s.Defaults, d)
		case t.text == "caller":
			return p.fail(t.line, "the parameter caller must be omitted or be given a default")
		case len(s.Defaults) > 0:
			return p.fail(t.line, "non-default argument follows default argument")
		}
	}
	return p.advance()
}

// inner reads the body of a macro: a function of its own, where outer loops cannot be left.
func (p *parser) inner(s *Signature, end string) ([]Stmt, error) {
	p.sigs = append(p.sigs, s)
	loops := p.loops
	p.loops = 0
	body, _, err := p.block(end)
	p.loops = loops
	p.sigs = p.sigs[:len(p.sigs)-1]
	// A parameter of that name is nothing special.
	s.Caller = s.Caller && !p.hasParam(s, "caller")
	s.VarArgs = s.VarArgs && !p.hasParam(s, "varargs")
	s.KwArgs = s.KwArgs && !p.hasParam(s, "kwargs")
	return body, err
}

func (p *parser) hasParam(s *Signature, name string) bool {
	return slices.Contains(s.Params, p.sym(name))
}

func (p *parser) macro() (Stmt, error) {
	m := &Macro{Line: p.cur.line}
	if err := p.advance(); err != nil {
		return nil, err
	}
	t, err := p.expect(tokName)
	if err != nil {
		return nil, err
	}
	m.Sym, m.Sig.Name = p.sym(t.text), t.text
	if err := p.signature(&m.Sig); err != nil {
		return nil, err
	}
	m.Body, err = p.inner(&m.Sig, "endmacro")
	return m, err
}

func (p *parser) callBlock() (Stmt, error) {
	c := &CallBlock{Line: p.cur.line, Sig: Signature{Name: "caller"}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.cur.kind == "(" {
		if err := p.signature(&c.Sig); err != nil {
			return nil, err
		}
	}
	e, err := p.expression()
	if err != nil {
		return nil, err
	}
	call, ok := e.(*Call)
	if !ok {
		return nil, p.fail(c.Line, "expected call")
	}
	c.Call = call
	c.Body, err = p.inner(&c.Sig, "endcall")
	return c, err
}

func (p *parser) with() (Stmt, error) {
	w := &With{Line: p.cur.line}
	if err := p.advance(); err != nil {
		return nil, err
	}
	for p.cur.kind != tokTagEnd {
		if len(w.Targets) > 0 {
			if _, err := p.expect(","); err != nil {
				return nil, err
			}
		}
		t, err := p.target(tupleRule{})
		if err != nil {
			return nil, err
		}
		if _, err := p.expect("="); err != nil {
			return nil, err
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		w.Targets, w.Vals = append(w.Targets, t), append(w.Vals, v)
	}
	var err error
	w.Body, _, err = p.block("endwith")
	return w, err
}

func (p *parser) namedBlock() (Stmt, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	name, err := p.expect(tokName)
	if err != nil {
		return nil, err
	}
	scoped, err := p.skipName("scoped")
	if err != nil {
		return nil, err
	}
	body, err := p.inner(&Signature{}, "endblock")
	if err != nil {
		return nil, err
	}
	_, err = p.skipName(name.text)
	return &Scope{body, !scoped}, err
}

// scope reads the tags that only mark their body: generation, and autoescape, which changes nothing in plain text.
func (p *parser) scope() (Stmt, error) {
	tag := p.cur.text
	if err := p.advance(); err != nil {
		return nil, err
	}
	if tag == "autoescape" {
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		if c, ok := e.(*Const); !ok || c.Val != value.Bool(false) {
			return nil, p.fail(LineOf(e), "autoescape can only be false in a chat template")
		}
		body, _, err := p.block("endautoescape")
		return &Scope{body, false}, err
	}
	body, err := p.inner(&Signature{}, "endgeneration")
	return &Scope{body, false}, err
}

func (p *parser) print() (Stmt, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	out := &Output{}
	for p.cur.kind != tokTagEnd {
		if len(out.Nodes) > 0 {
			if _, err := p.expect(","); err != nil {
				return nil, err
			}
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		out.Nodes = append(out.Nodes, e)
	}
	return out, nil
}
