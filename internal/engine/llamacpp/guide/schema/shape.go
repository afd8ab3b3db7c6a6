package schema

import (
	"slices"
)

// shape is what values of one type must be. Every schema is a list of shapes: a value is accepted when one of them takes
// it. Shapes are not changed once they are made.
type shape struct {
	kind    kind
	yes, no bool // a boolean may be true, false
	num     numbers
	str     texts
	arr     arrays
	obj     objects
}

// texts is what a string must be.
type texts struct {
	literal  *string
	min, max int // characters; max -1: no bound
	patterns []pattern
}

// pattern is one condition on a string.
type pattern struct {
	src    string
	search bool // it may match anywhere in the string
}

// arrays is what an array must be.
type arrays struct {
	min, max int // max -1: no bound
	prefix   []*node
	rest     *node // nil: the schema does not say
}

// objects is what an object must be.
type objects struct {
	min, max int // properties; max -1: no bound
	props    []property
	patterns []patternProperty
	rest     *node // nil: the schema does not say
	required []string
	needs    map[string]bool  // required
	named    map[string]*node // props
}

// add adds a property that is not there yet.
func (o *objects) add(name string, n *node) {
	if o.named == nil {
		o.named = map[string]*node{}
	}
	if _, had := o.named[name]; !had {
		o.props = append(o.props, property{name, n})
	}
	o.named[name] = n
}

// need makes a property required.
func (o *objects) need(name string) {
	if o.needs == nil {
		o.needs = map[string]bool{}
	}
	if !o.needs[name] {
		o.needs[name] = true
		o.required = append(o.required, name)
	}
}

type property struct {
	name string
	node *node
}

type patternProperty struct {
	src  string
	node *node
}

// unbounded is a shape of k without conditions.
func unbounded(k kind) *shape {
	s := &shape{kind: k}
	switch k {
	case kindBool:
		s.yes, s.no = true, true
	case kindString:
		s.str.max = -1
	case kindArray:
		s.arr.max = -1
	case kindObject:
		s.obj.max = -1
	case kindNull, kindNumber:
	}
	return s
}

// capped is the smaller of two upper bounds, where -1 is none.
func capped(a, b int) int {
	if a < 0 {
		return b
	}
	if b < 0 {
		return a
	}
	return min(a, b)
}

// both is the shape of what a and b both take; nil when they take nothing in common.
func (c *compiler) both(a, b *shape) (*shape, *Problem) {
	if a.kind != b.kind {
		return nil, nil
	}
	s := &shape{kind: a.kind}
	switch a.kind {
	case kindNull:
	case kindBool:
		if s.yes, s.no = a.yes && b.yes, a.no && b.no; !s.yes && !s.no {
			return nil, nil
		}
	case kindNumber:
		return s, c.bothNumbers(s, a.num, b.num)
	case kindString:
		ok, bad := c.bothTexts(s, a.str, b.str)
		if !ok {
			return nil, bad
		}
	case kindArray:
		c.bothArrays(s, a.arr, b.arr)
	case kindObject:
		return s, c.bothObjects(s, a.obj, b.obj)
	}
	return s, nil
}

func (c *compiler) bothNumbers(s *shape, a, b numbers) *Problem {
	s.num = numbers{low: tighter(a.low, b.low, false), high: tighter(a.high, b.high, true), integer: a.integer || b.integer}
	s.num.multiple = a.multiple
	if b.multiple != nil {
		if a.multiple != nil && a.multiple.compare(*b.multiple) != 0 {
			return problem(c.at, "two different values of multipleOf for one number cannot be enforced")
		}
		s.num.multiple = b.multiple
	}
	return nil
}

func (c *compiler) bothTexts(s *shape, a, b texts) (bool, *Problem) {
	if b.literal != nil {
		a, b = b, a
	}
	if a.literal != nil {
		ok, bad := c.holds(*a.literal, b)
		s.str = texts{literal: a.literal, max: -1}
		return ok, bad
	}
	s.str = texts{min: max(a.min, b.min), max: capped(a.max, b.max), patterns: slices.Clone(a.patterns)}
	for _, p := range b.patterns {
		if !slices.Contains(s.str.patterns, p) {
			s.str.patterns = append(s.str.patterns, p)
		}
	}
	return true, nil
}

// holds reports whether a string meets the conditions of t.
func (c *compiler) holds(text string, t texts) (bool, *Problem) {
	if t.literal != nil {
		return *t.literal == text, nil
	}
	n := len([]rune(text))
	if n < t.min || t.max >= 0 && n > t.max {
		return false, nil
	}
	for _, p := range t.patterns {
		if ok, bad := c.matches(p, text); bad != nil || !ok {
			return false, bad
		}
	}
	return true, nil
}

func (c *compiler) bothArrays(s *shape, a, b arrays) {
	s.arr = arrays{min: max(a.min, b.min), max: capped(a.max, b.max)}
	for i := range max(len(a.prefix), len(b.prefix)) {
		s.arr.prefix = append(s.arr.prefix, c.and(a.element(i), b.element(i)))
	}
	s.arr.rest = c.and(a.rest, b.rest)
}

// element is what the element at i must be; nil when the schema does not say.
func (a arrays) element(i int) *node {
	if i < len(a.prefix) {
		return a.prefix[i]
	}
	return a.rest
}

func (c *compiler) bothObjects(s *shape, a, b objects) *Problem {
	s.obj = objects{min: max(a.min, b.min), max: capped(a.max, b.max)}
	for _, r := range slices.Concat(a.required, b.required) {
		s.obj.need(r)
	}
	for _, p := range slices.Concat(a.props, b.props) {
		if _, had := s.obj.named[p.name]; had {
			continue
		}
		x, bad := c.member(a, p.name)
		if bad != nil {
			return bad
		}
		y, bad := c.member(b, p.name)
		if bad != nil {
			return bad
		}
		s.obj.add(p.name, c.and(x, y))
	}
	// A name that a pattern of one side takes may be taken by the other's patterns, or by its rest. Patterns that overlap
	// are told apart when the grammar is written.
	for _, p := range a.patterns {
		s.obj.patterns = append(s.obj.patterns, patternProperty{p.src, c.and(p.node, b.patternRest(p.src))})
	}
	for _, p := range b.patterns {
		if !slices.ContainsFunc(a.patterns, func(q patternProperty) bool { return q.src == p.src }) {
			s.obj.patterns = append(s.obj.patterns, patternProperty{p.src, c.and(p.node, a.patternRest(p.src))})
		}
	}
	s.obj.rest = c.and(a.rest, b.rest)
	return nil
}

// patternRest is what o says of names that match src and none of its other patterns.
func (o *objects) patternRest(src string) *node {
	for _, p := range o.patterns {
		if p.src == src {
			return p.node
		}
	}
	return o.rest
}

// member is what the property of this name must be; nil when the schema does not say.
func (c *compiler) member(o objects, name string) (*node, *Problem) {
	n, found := o.named[name]
	for _, p := range o.patterns {
		ok, bad := c.matches(pattern{p.src, true}, name)
		if bad != nil {
			return nil, bad
		}
		if ok {
			n, found = c.and(n, p.node), true
		}
	}
	if !found {
		return o.rest, nil
	}
	return n, nil
}

// disjoint reports whether it is certain that no value has both shapes. depth bounds how far properties are followed.
func (c *compiler) disjoint(a, b *shape, depth int) (bool, *Problem) {
	if a.kind != b.kind {
		return true, nil
	}
	switch a.kind {
	case kindBool:
		return (!a.yes || !b.yes) && (!a.no || !b.no), nil
	case kindNumber:
		return a.num.disjoint(b.num), nil
	case kindString:
		x, y := a.str, b.str
		if x.literal == nil {
			x, y = y, x
		}
		if x.literal != nil {
			ok, bad := c.holds(*x.literal, y)
			return !ok, bad
		}
		return x.max >= 0 && x.max < y.min || y.max >= 0 && y.max < x.min, nil
	case kindArray:
		x, y := a.arr, b.arr
		return x.max >= 0 && x.max < y.min || y.max >= 0 && y.max < x.min, nil
	case kindObject:
		return c.disjointObjects(a.obj, b.obj, depth)
	case kindNull:
	}
	return false, nil
}

// disjointObjects looks for a property that one of them needs and that tells them apart.
func (c *compiler) disjointObjects(a, b objects, depth int) (bool, *Problem) {
	if depth == 0 {
		return false, nil
	}
	for _, name := range slices.Concat(a.required, b.required) {
		x, bad := c.member(a, name)
		if bad != nil {
			return false, bad
		}
		y, bad := c.member(b, name)
		if bad != nil {
			return false, bad
		}
		apart, bad := c.apart(x, y, depth-1)
		if bad != nil || apart {
			return apart, bad
		}
	}
	return false, nil
}

// apart reports whether it is certain that no value is taken by both nodes.
func (c *compiler) apart(x, y *node, depth int) (bool, *Problem) {
	if x == nil {
		x = c.any
	}
	if y == nil {
		y = c.any
	}
	as, bad := c.expand(x)
	if bad != nil {
		return false, bad
	}
	bs, bad := c.expand(y)
	if bad != nil {
		return false, bad
	}
	for _, a := range as {
		for _, b := range bs {
			if ok, bad := c.disjoint(a, b, depth); bad != nil || !ok {
				return false, bad
			}
		}
	}
	return true, nil
}
