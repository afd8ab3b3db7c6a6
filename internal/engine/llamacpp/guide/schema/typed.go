package schema

// numberKeywords narrows a shape by the keywords about numbers.
func (c *compiler) numberKeywords(v *value, s *shape) *Problem {
	for _, m := range v.members {
		var bad *Problem
		switch m.key {
		case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
			bad = c.addBound(v, m, s)
		case "multipleOf":
			bad = addMultiple(m.val, s)
		case "format": // of strings: stringKeywords looks at it where there can be one
			if f, known := numberFormats()[m.val.text]; known {
				bad = c.bothNumbers(s, s.num, f)
			}
		}
		if bad != nil {
			return bad
		}
	}
	return nil
}

// addBound reads one of the four bounds. In draft 4 the exclusive ones are booleans that speak of the others.
func (c *compiler) addBound(v *value, m member, s *shape) *Problem {
	lower := m.key == "minimum" || m.key == "exclusiveMinimum"
	if m.val.kind == kindBool && c.draft == draft4 {
		return nil
	}
	d, bad := number(m.val)
	if bad != nil {
		return bad
	}
	b := &bound{decimal: d, open: m.key == "exclusiveMinimum" || m.key == "exclusiveMaximum"}
	if c.draft == draft4 {
		name := "exclusiveMaximum"
		if lower {
			name = "exclusiveMinimum"
		}
		x := v.get(name)
		b.open = x != nil && x.kind == kindBool && x.yes
	}
	if lower {
		s.num.low = tighter(s.num.low, b, false)
	} else {
		s.num.high = tighter(s.num.high, b, true)
	}
	return nil
}

func addMultiple(v *value, s *shape) *Problem {
	d, bad := number(v)
	if bad != nil {
		return bad
	}
	if d.neg || d.isZero() {
		return problem(v.at, "multipleOf must be above zero")
	}
	if _, _, ok := endings(d); !ok {
		return problem(v.at, "multipleOf %s cannot be enforced: only numbers whose multiples are told by their last digits can, such as 5, 100, 0.01 or 0.25", d)
	}
	s.num.multiple = &d
	return nil
}

func number(v *value) (decimal, *Problem) {
	if v.kind != kindNumber {
		return decimal{}, problem(v.at, "this must be a number")
	}
	d, ok := newDecimal(v.text)
	if !ok {
		return d, problem(v.at, "the number has more than %d digits", maxDigits)
	}
	return d, nil
}

func (c *compiler) stringKeywords(v *value, s *shape) *Problem {
	for _, m := range v.members {
		var bad *Problem
		switch m.key {
		case "minLength":
			s.str.min, bad = size(m.val, true)
		case "maxLength":
			s.str.max, bad = size(m.val, false)
		case "pattern":
			bad = c.addPattern(m.val, m.val.text, s)
		case "format":
			f, known := formats()[m.val.text]
			_, aboutNumbers := numberFormats()[m.val.text]
			switch {
			case m.val.kind != kindString:
				bad = problem(m.val.at, "format must be a string")
			case known:
				s.str.patterns = append(s.str.patterns, pattern{src: f})
			case !aboutNumbers:
				bad = problem(m.val.at, "the format %q cannot be enforced", m.val.text)
			}
		}
		if bad != nil {
			return bad
		}
	}
	return nil
}

// addPattern checks a pattern of the source and adds it.
func (c *compiler) addPattern(v *value, src string, s *shape) *Problem {
	if bad := checkPattern(v, src); bad != nil {
		return bad
	}
	s.str.patterns = append(s.str.patterns, pattern{src, true})
	return nil
}

func checkPattern(v *value, src string) *Problem {
	if v.kind != kindString && src == v.text {
		return problem(v.at, "a pattern must be a string")
	}
	re, err := parsePattern(src)
	if err == nil {
		_, err = style{quoted: true}.whole(re, true)
	}
	if err != nil {
		return problem(v.at, "the pattern cannot be enforced: %v", err)
	}
	return nil
}

func (c *compiler) arrayKeywords(v *value, s *shape) *Problem {
	for _, m := range v.members {
		var bad *Problem
		switch m.key {
		case "minItems":
			s.arr.min, bad = size(m.val, true)
		case "maxItems":
			s.arr.max, bad = size(m.val, false)
		case "prefixItems":
			if c.draft < draft2020 {
				return problem(m.val.at, "prefixItems is of draft 2020-12; the schema says that it is of an older one")
			}
			bad = c.prefix(m.val, s)
		case "items":
			switch {
			case m.val.kind != kindArray:
				s.arr.rest = c.node(m.val)
			case c.draft == draft2020:
				bad = problem(m.val.at, "a list of schemas in items is of an older draft; use prefixItems, or name the draft in $schema")
			default:
				bad = c.prefix(m.val, s)
			}
		case "additionalItems":
			if items := v.get("items"); c.draft < draft2020 && items != nil && items.kind == kindArray {
				s.arr.rest = c.node(m.val)
			}
		}
		if bad != nil {
			return bad
		}
	}
	if u := v.get("uniqueItems"); u != nil && (u.kind != kindBool || u.yes) && (s.arr.max < 0 || s.arr.max > 1) {
		return problem(u.at, "uniqueItems cannot be enforced for more than one item")
	}
	return nil
}

func (c *compiler) prefix(v *value, s *shape) *Problem {
	if v.kind != kindArray {
		return problem(v.at, "this must be a list of schemas")
	}
	for _, x := range v.list {
		s.arr.prefix = append(s.arr.prefix, c.node(x))
	}
	return nil
}

func (c *compiler) objectKeywords(v *value, s *shape) *Problem {
	for _, m := range v.members {
		var bad *Problem
		switch m.key {
		case "minProperties":
			s.obj.min, bad = size(m.val, true)
		case "maxProperties":
			s.obj.max, bad = size(m.val, false)
		case "additionalProperties":
			s.obj.rest = c.node(m.val)
		case "required":
			bad = readRequired(m.val, s)
		case "properties", "patternProperties":
			if m.val.kind != kindObject {
				return problem(m.val.at, "%s must be an object of schemas", m.key)
			}
			if m.key == "patternProperties" && len(m.val.members) > maxPatterns {
				return problem(m.val.at, "more than %d patterns cannot be enforced", maxPatterns)
			}
			for _, p := range m.val.members {
				if m.key == "properties" {
					s.obj.add(p.key, c.node(p.val))
					continue
				}
				if bad := checkPattern(p.val, p.key); bad != nil {
					return bad
				}
				s.obj.patterns = append(s.obj.patterns, patternProperty{p.key, c.node(p.val)})
			}
		}
		if bad != nil {
			return bad
		}
	}
	if bad := c.joinPatterns(s); bad != nil {
		return bad
	}
	if names := v.get("propertyNames"); names != nil {
		return c.propertyNames(names, s)
	}
	return nil
}

func readRequired(v *value, s *shape) *Problem {
	if v.kind == kindArray {
		for _, x := range v.list {
			if x.kind != kindString {
				return problem(x.at, "a required name must be a string")
			}
			s.obj.need(x.text)
		}
		return nil
	}
	return problem(v.at, "required must be a list of names")
}

// joinPatterns lets the patterns that match a named property have their say about it.
func (c *compiler) joinPatterns(s *shape) *Problem {
	if len(s.obj.patterns) == 0 {
		return nil
	}
	for i, p := range s.obj.props {
		n, bad := c.member(s.obj, p.name)
		if bad != nil {
			return bad
		}
		s.obj.props[i].node, s.obj.named[p.name] = n, n
	}
	return nil
}

// propertyNames is enforced where the properties have no names of their own: a list of names, or a pattern.
func (c *compiler) propertyNames(v *value, s *shape) *Problem {
	if len(s.obj.props)+len(s.obj.patterns) > 0 {
		return problem(v.at, "propertyNames together with properties cannot be enforced")
	}
	shapes, bad := c.expand(c.node(v))
	if bad != nil {
		return bad
	}
	rest := s.obj.rest
	if rest == nil {
		rest = c.any
	}
	for _, n := range shapes {
		if n.kind != kindString {
			continue // a name is a string, whatever else the schema takes
		}
		t := n.str
		switch {
		case t.literal != nil:
			s.obj.add(*t.literal, rest)
		case len(t.patterns) == 1 && t.min == 0 && t.max < 0 && len(s.obj.patterns) == 0:
			src := t.patterns[0].src
			if !t.patterns[0].search {
				src = `^(?:` + src + `)$`
			}
			s.obj.patterns = append(s.obj.patterns, patternProperty{src, rest})
		case len(t.patterns) == 0 && t.min == 0 && t.max < 0:
			return nil // it takes every name
		default:
			return problem(v.at, "only propertyNames with an enum, a const or one pattern can be enforced")
		}
	}
	s.obj.rest = c.node(&value{kind: kindBool, at: v.at})
	return nil
}
