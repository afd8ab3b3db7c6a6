package syntax

import (
	"strings"

	"ashatai/internal/chat/jinja/value"
)

func (p *parser) expression() (Expr, error) { return p.cond() }

func (p *parser) cond() (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	line := p.cur.line
	uses := len(p.tree.Uses)
	x, err := p.or()
	if err != nil {
		return nil, err
	}
	for {
		ok, err := p.skipName("if")
		if err != nil || !ok {
			return x, err
		}
		// What stands in a condition may name a filter that does not exist, as long as it never runs.
		p.tree.Uses = p.tree.Uses[:uses]
		p.soft++
		x, err = p.condRest(x, line)
		p.soft--
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) condRest(then Expr, line int) (Expr, error) {
	test, err := p.or()
	if err != nil {
		return nil, err
	}
	var other Expr
	if ok, err := p.skipName("else"); err != nil {
		return nil, err
	} else if ok {
		if other, err = p.cond(); err != nil {
			return nil, err
		}
	}
	b, err := p.above(line, test, then, other)
	return &Cond{b, test, then, other}, err
}

// chain reads next (op next)* for operators that group to the left. ops are token kinds or, for words, names.
func (p *parser) chain(next func() (Expr, error), ops ...string) (Expr, error) {
	x, err := next()
	if err != nil {
		return nil, err
	}
	for {
		op := ""
		for _, o := range ops {
			if p.cur.kind == o || p.cur.is(o) {
				op = o
			}
		}
		if op == "" {
			return x, nil
		}
		line := p.cur.line
		if err := p.advance(); err != nil {
			return nil, err
		}
		y, err := next()
		if err != nil {
			return nil, err
		}
		b, err := p.above(line, x, y)
		if err != nil {
			return nil, err
		}
		x = &Binary{b, op, x, y}
	}
}

func (p *parser) or() (Expr, error)  { return p.chain(p.and, "or") }
func (p *parser) and() (Expr, error) { return p.chain(p.not, "and") }

func (p *parser) not() (Expr, error) {
	if !p.cur.is("not") {
		return p.compare()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	line := p.cur.line
	if err := p.advance(); err != nil {
		return nil, err
	}
	x, err := p.not()
	if err != nil {
		return nil, err
	}
	b, err := p.above(line, x)
	return &Unary{b, "not", x}, err
}

// compareOp consumes a comparison operator.
func (p *parser) compareOp() (string, error) {
	switch op := p.cur.kind; op {
	case "==", "!=", "<", "<=", ">", ">=":
		return op, p.advance()
	}
	if p.cur.is("in") {
		return "in", p.advance()
	}
	if p.cur.is("not") {
		t, err := p.look()
		if err != nil || !t.is("in") {
			return "", err
		}
		if err := p.advance(); err != nil {
			return "", err
		}
		return "not in", p.advance()
	}
	return "", nil
}

func (p *parser) compare() (Expr, error) {
	x, err := p.sum()
	if err != nil {
		return nil, err
	}
	var c *Compare
	for {
		line := p.cur.line
		op, err := p.compareOp()
		if err != nil {
			return nil, err
		}
		if op == "" {
			break
		}
		y, err := p.sum()
		if err != nil {
			return nil, err
		}
		if c == nil {
			c = &Compare{X: x, Base: Base{Line: line}}
		}
		c.Ops, c.Ys = append(c.Ops, op), append(c.Ys, y)
	}
	if c == nil {
		return x, nil
	}
	if c.Base, err = p.above(c.Line, x); err != nil {
		return nil, err
	}
	c.Base, err = p.above(c.Line, append([]Expr{c}, c.Ys...)...)
	return c, err
}

func (p *parser) sum() (Expr, error) { return p.chain(p.concat, "+", "-") }

func (p *parser) concat() (Expr, error) {
	x, err := p.product()
	if err != nil || p.cur.kind != "~" {
		return x, err
	}
	line := p.cur.line
	parts := []Expr{x}
	for {
		ok, err := p.skip("~")
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		y, err := p.product()
		if err != nil {
			return nil, err
		}
		parts = append(parts, y)
	}
	b, err := p.above(line, parts...)
	return &Concat{b, parts}, err
}

func (p *parser) product() (Expr, error) { return p.chain(p.power, "*", "/", "//", "%") }
func (p *parser) power() (Expr, error)   { return p.chain(p.unaryFiltered, "**") }

func (p *parser) unaryFiltered() (Expr, error) {
	x, err := p.unary()
	if err != nil {
		return nil, err
	}
	for {
		switch {
		case p.cur.kind == "|":
			if err := p.advance(); err != nil {
				return nil, err
			}
			x, err = p.filter(x)
		case p.cur.is("is"):
			x, err = p.test(x)
		case p.cur.kind == "(":
			x, err = p.call(x)
		default:
			return x, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// unary reads a sign and its operand, or a primary, and what follows directly: attributes, items, calls.
func (p *parser) unary() (Expr, error) {
	op := p.cur.kind
	if op != "-" && op != "+" {
		x, err := p.primary(false)
		if err != nil {
			return nil, err
		}
		return p.postfix(x)
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	line := p.cur.line
	if err := p.advance(); err != nil {
		return nil, err
	}
	x, err := p.unary()
	if err != nil {
		return nil, err
	}
	b, err := p.above(line, x)
	if err != nil {
		return nil, err
	}
	return p.postfix(&Unary{b, op, x})
}

func (p *parser) primary(namespace bool) (Expr, error) {
	t := p.cur
	leaf := Base{t.line, 1}
	switch t.kind {
	case tokName:
		if err := p.advance(); err != nil {
			return nil, err
		}
		return p.nameOrConst(t, namespace)
	case tokString:
		parts := []string{}
		for p.cur.kind == tokString {
			parts = append(parts, p.cur.text)
			if err := p.advance(); err != nil {
				return nil, err
			}
		}
		return &Const{leaf, value.Text(strings.Join(parts, ""), true)}, nil
	case tokInt, tokFloat:
		v, err := numberValue(t)
		if err != nil {
			return nil, err
		}
		return &Const{leaf, v}, p.advance()
	case "(":
		if err := p.advance(); err != nil {
			return nil, err
		}
		x, err := p.tuple(tupleRule{cond: true, empty: true})
		if err != nil {
			return nil, err
		}
		_, err = p.expect(")")
		return x, err
	case "[":
		items, err := p.items("]")
		if err != nil {
			return nil, err
		}
		b, err := p.above(t.line, items...)
		return &Items{b, false, items}, err
	case "{":
		return p.dict()
	}
	return nil, p.fail(t.line, "unexpected '", t.describe(), "'")
}

func (p *parser) nameOrConst(t token, namespace bool) (Expr, error) {
	leaf := Base{t.line, 1}
	switch t.text {
	case "true", "True":
		return &Const{leaf, value.Bool(true)}, nil
	case "false", "False":
		return &Const{leaf, value.Bool(false)}, nil
	case "none", "None":
		return &Const{leaf, value.None{}}, nil
	}
	if namespace && p.cur.kind == "." {
		if err := p.advance(); err != nil {
			return nil, err
		}
		attr, err := p.expect(tokName)
		return &NSRef{leaf, p.sym(t.text), attr.text}, err
	}
	return p.read(t.text, t.line), nil
}

// items reads expressions between commas up to the closing bracket.
func (p *parser) items(closing string) ([]Expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	var out []Expr
	for p.cur.kind != closing {
		if len(out) > 0 {
			if _, err := p.expect(","); err != nil {
				return nil, err
			}
			if p.cur.kind == closing {
				break
			}
		}
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, p.advance()
}

func (p *parser) dict() (Expr, error) {
	d := &Dict{}
	line := p.cur.line
	if err := p.advance(); err != nil {
		return nil, err
	}
	for p.cur.kind != "}" {
		if len(d.Keys) > 0 {
			if _, err := p.expect(","); err != nil {
				return nil, err
			}
			if p.cur.kind == "}" {
				break
			}
		}
		k, err := p.expression()
		if err != nil {
			return nil, err
		}
		if _, err := p.expect(":"); err != nil {
			return nil, err
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		d.Keys, d.Vals = append(d.Keys, k), append(d.Vals, v)
	}
	var err error
	if d.Base, err = p.above(line, d.Keys...); err != nil {
		return nil, err
	}
	if d.Base, err = p.above(line, append([]Expr{d}, d.Vals...)...); err != nil {
		return nil, err
	}
	return d, p.advance()
}

// tupleRule says how a tuple without brackets is read.
type tupleRule struct {
	cond      bool // its items may be "a if b else c"
	empty     bool // it may be empty: it stands in parentheses
	targets   bool // only names and literals
	namespace bool // with targets: ns.attr too
}

func (p *parser) tuple(r tupleRule) (Expr, error) {
	line := p.cur.line
	var items []Expr
	comma := false
	for {
		if len(items) > 0 {
			if _, err := p.expect(","); err != nil {
				return nil, err
			}
		}
		if k := p.cur.kind; k == tokVarEnd || k == tokTagEnd || k == ")" {
			break
		}
		x, err := p.tupleItem(r)
		if err != nil {
			return nil, err
		}
		items = append(items, x)
		if p.cur.kind != "," {
			break
		}
		comma = true
	}
	if !comma {
		if len(items) == 1 {
			return items[0], nil
		}
		if !r.empty {
			return nil, p.fail(p.cur.line, "Expected an expression, got '", p.cur.describe(), "'")
		}
	}
	b, err := p.above(line, items...)
	return &Items{b, true, items}, err
}

func (p *parser) tupleItem(r tupleRule) (Expr, error) {
	switch {
	case r.targets:
		return p.primary(r.namespace)
	case r.cond:
		return p.cond()
	}
	return p.or()
}

// target reads what can be assigned to.
func (p *parser) target(r tupleRule) (Expr, error) {
	r.targets = true
	x, err := p.tuple(r)
	if err != nil {
		return nil, err
	}
	return x, p.checkTarget(x)
}

func (p *parser) checkTarget(x Expr) error {
	switch t := x.(type) { //nolint:exhaustive // the other types share what follows
	case *Name, *NSRef:
		return nil
	case *Items:
		if t.Tuple {
			for _, it := range t.Items {
				if err := p.checkTarget(it); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return p.fail(LineOf(x), "can't assign to this")
}
