package syntax

// postfix reads .name, [key] and (args) as often as they come.
func (p *parser) postfix(x Expr) (Expr, error) {
	for {
		var err error
		switch p.cur.kind {
		case ".":
			x, err = p.attribute(x)
		case "[":
			x, err = p.subscript(x)
		case "(":
			x, err = p.call(x)
		default:
			return x, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) attribute(x Expr) (Expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	t := p.cur
	b, err := p.above(t.line, x)
	if err != nil {
		return nil, err
	}
	switch t.kind {
	case tokName:
		return &GetAttr{b, x, t.text}, p.advance()
	case tokInt:
		v, err := numberValue(t)
		if err != nil {
			return nil, err
		}
		return &GetItem{b, x, &Const{Base{t.line, 1}, v}}, p.advance()
	}
	return nil, p.fail(t.line, "expected name or number")
}

func (p *parser) subscript(x Expr) (Expr, error) {
	line := p.cur.line
	if err := p.advance(); err != nil {
		return nil, err
	}
	var keys []Expr
	for p.cur.kind != "]" {
		if len(keys) > 0 {
			if _, err := p.expect(","); err != nil {
				return nil, err
			}
		}
		k, slice, err := p.sliceOrKey(x)
		if err != nil {
			return nil, err
		}
		if slice != nil {
			if len(keys) > 0 || p.cur.kind != "]" {
				return nil, p.fail(line, "a slice cannot stand among other subscripts")
			}
			return slice, p.advance()
		}
		keys = append(keys, k)
	}
	b, err := p.above(line, append([]Expr{x}, keys...)...)
	if err != nil {
		return nil, err
	}
	if len(keys) == 1 {
		return &GetItem{b, x, keys[0]}, p.advance()
	}
	tuple := &Items{Base{line, b.Height}, true, keys}
	b.Height++
	return &GetItem{b, x, tuple}, p.advance()
}

// sliceOrKey reads one subscript: a key, or lo:hi:step, which becomes a Slice of x.
func (p *parser) sliceOrKey(x Expr) (Expr, *Slice, error) {
	line := p.cur.line
	var parts [3]Expr
	for i := range parts {
		if k := p.cur.kind; k != ":" && k != "]" && k != "," {
			e, err := p.expression()
			if err != nil {
				return nil, nil, err
			}
			parts[i] = e
		}
		if i == 2 {
			break
		}
		ok, err := p.skip(":")
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			if i == 0 {
				if parts[0] == nil {
					return nil, nil, p.fail(line, "unexpected '", p.cur.describe(), "'")
				}
				return parts[0], nil, nil
			}
			break
		}
	}
	b, err := p.above(line, x, parts[0], parts[1], parts[2])
	return nil, &Slice{b, x, parts[0], parts[1], parts[2]}, err
}

func (p *parser) call(x Expr) (Expr, error) {
	line := p.cur.line
	args, err := p.args()
	if err != nil {
		return nil, err
	}
	b, err := p.aboveArgs(line, x, &args)
	return &Call{b, x, args}, err
}

func (p *parser) aboveArgs(line int, x Expr, a *Args) (Base, error) {
	all := append([]Expr{x, a.Star, a.StarStar}, a.Pos...)
	for _, kw := range a.Kw {
		all = append(all, kw.Val)
	}
	return p.above(line, all...)
}

func (p *parser) args() (Args, error) {
	var a Args
	line := p.cur.line
	if err := p.advance(); err != nil {
		return a, err
	}
	for first := true; p.cur.kind != ")"; first = false {
		if !first {
			if _, err := p.expect(","); err != nil {
				return a, err
			}
			if p.cur.kind == ")" {
				break
			}
		}
		ok, err := p.argument(&a)
		if err != nil {
			return a, err
		}
		if !ok {
			return a, p.fail(line, "invalid syntax for function call expression")
		}
	}
	return a, p.advance()
}

// argument reads one argument, and reports false where its kind cannot follow the ones before.
func (p *parser) argument(a *Args) (bool, error) {
	var err error
	switch p.cur.kind {
	case "*", "**":
		double := p.cur.kind == "**"
		if a.StarStar != nil || !double && a.Star != nil {
			return false, nil
		}
		if err := p.advance(); err != nil {
			return false, err
		}
		e, err := p.expression()
		if double {
			a.StarStar = e
		} else {
			a.Star = e
		}
		return true, err
	case tokName:
		t, err := p.look()
		if err != nil {
			return false, err
		}
		if t.kind == "=" {
			return p.keyword(a)
		}
	}
	if a.Star != nil || a.StarStar != nil || len(a.Kw) > 0 {
		return false, nil
	}
	e, err := p.expression()
	a.Pos = append(a.Pos, e)
	return true, err
}

func (p *parser) keyword(a *Args) (bool, error) {
	name := p.cur.text
	if a.StarStar != nil {
		return false, nil
	}
	for _, kw := range a.Kw {
		if kw.Name == name {
			return false, p.fail(p.cur.line, "keyword argument repeated: ", name)
		}
	}
	if err := p.advance(); err != nil {
		return false, err
	}
	if err := p.advance(); err != nil {
		return false, err
	}
	e, err := p.expression()
	a.Kw = append(a.Kw, Keyword{name, e})
	return true, err
}

func (p *parser) dotted() (token, error) {
	t, err := p.expect(tokName)
	for err == nil && p.cur.kind == "." {
		if err = p.advance(); err != nil {
			break
		}
		var part token
		part, err = p.expect(tokName)
		t.text += "." + part.text
	}
	return t, err
}

// filter reads a filter's name and arguments; the bar before it is gone. x is nil where a block gives the input.
func (p *parser) filter(x Expr) (*Filter, error) {
	t, err := p.dotted()
	if err != nil {
		return nil, err
	}
	f := &Filter{X: x, Name: t.text}
	p.use(t, false)
	if p.cur.kind == "(" {
		if f.Args, err = p.args(); err != nil {
			return nil, err
		}
	}
	f.Base, err = p.aboveArgs(t.line, x, &f.Args)
	return f, err
}

func (p *parser) use(t token, test bool) {
	if p.soft == 0 {
		p.tree.Uses = append(p.tree.Uses, Use{t.text, test, t.line})
	}
}

// test reads "is name", "is not name", with arguments in parentheses or a single one without.
func (p *parser) test(x Expr) (Expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	negated, err := p.skipName("not")
	if err != nil {
		return nil, err
	}
	t, err := p.dotted()
	if err != nil {
		return nil, err
	}
	p.use(t, true)
	n := &Test{X: x, Name: t.text}
	switch p.cur.kind {
	case "(":
		if n.Args, err = p.args(); err != nil {
			return nil, err
		}
	case tokName, tokString, tokInt, tokFloat, "[", "{":
		if p.cur.is("else") || p.cur.is("or") || p.cur.is("and") {
			break
		}
		if p.cur.is("is") {
			return nil, p.fail(p.cur.line, "You cannot chain multiple tests with is")
		}
		arg, err := p.primary(false)
		if err != nil {
			return nil, err
		}
		if arg, err = p.postfix(arg); err != nil {
			return nil, err
		}
		n.Args.Pos = []Expr{arg}
	}
	if n.Base, err = p.aboveArgs(t.line, x, &n.Args); err != nil || !negated {
		return n, err
	}
	b, err := p.above(t.line, n)
	return &Unary{b, "not", n}, err
}
