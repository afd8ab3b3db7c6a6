package schema

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// node is a schema, or the conjunction of several. Its shapes are found when they are first needed, so that a schema may
// refer to itself.
type node struct {
	id     int
	src    *value  // nil for a conjunction and for the schema that takes everything
	parts  []*node // of a conjunction, none of them one itself, in order of id
	shapes []*shape
	state  state
	ok     bool // some value is taken; known after solve
}

type state byte

const (
	untouched state = iota
	expanding
	expanded
)

type compiler struct {
	root  *value
	draft draft
	any   *node
	nodes []*node
	bySrc map[*value]*node
	byKey map[string]*node
	found map[pattern]*regexp.Regexp
	count int    // shapes made
	at    string // the place that is worked on, for problems that show up in the middle of it

	values   int // of enums, read so far
	compared int // options of oneOf that were compared with each other
}

func newCompiler(root *value) (*compiler, *Problem) {
	c := &compiler{root: root, bySrc: map[*value]*node{}, byKey: map[string]*node{}, found: map[pattern]*regexp.Regexp{}}
	var bad *Problem
	if c.draft, bad = draftOf(root); bad != nil {
		return nil, bad
	}
	c.any = c.add(&node{state: expanded})
	for k := kindNull; k <= kindObject; k++ {
		s := unbounded(k)
		s.arr.rest, s.obj.rest = c.any, c.any
		c.any.shapes = append(c.any.shapes, s)
	}
	return c, nil
}

func (c *compiler) add(n *node) *node {
	n.id = len(c.nodes)
	c.nodes = append(c.nodes, n)
	return n
}

// node is the node of a schema in the source.
func (c *compiler) node(v *value) *node {
	if n := c.bySrc[v]; n != nil {
		return n
	}
	n := c.any
	if everything := v.kind == kindBool && v.yes; !everything && !c.saysNothing(v) {
		n = c.add(&node{src: v})
	}
	c.bySrc[v] = n
	return n
}

// saysNothing reports whether v is an object of annotations alone.
func (c *compiler) saysNothing(v *value) bool {
	return v.kind == kindObject && !slices.ContainsFunc(v.members, func(m member) bool { return !annotation(m.key) })
}

// and is the node of what two nodes both take; nil stands for one that takes everything.
func (c *compiler) and(a, b *node) *node {
	switch {
	case a == nil || a == c.any:
		if b == nil {
			return a
		}
		return b
	case b == nil || b == c.any || a == b:
		return a
	}
	var parts []*node
	for _, n := range []*node{a, b} {
		if n.parts == nil {
			parts = append(parts, n)
		} else {
			parts = append(parts, n.parts...)
		}
	}
	slices.SortFunc(parts, func(x, y *node) int { return x.id - y.id })
	parts = slices.Compact(parts)
	if len(parts) == 1 {
		return parts[0]
	}
	var key strings.Builder
	for _, p := range parts {
		key.WriteString(strconv.Itoa(p.id) + " ")
	}
	if n := c.byKey[key.String()]; n != nil {
		return n
	}
	n := c.add(&node{parts: parts})
	c.byKey[key.String()] = n
	return n
}

// expand finds the shapes of a node.
func (c *compiler) expand(n *node) ([]*shape, *Problem) {
	switch n.state {
	case expanded:
		return n.shapes, nil
	case expanding:
		return nil, problem(c.at, "the reference leads back to itself")
	case untouched:
	}
	n.state = expanding
	before := c.at
	var bad *Problem
	if n.src != nil {
		c.at = n.src.at
		n.shapes, bad = c.schema(n.src)
	} else {
		n.shapes, bad = c.conjunction(n.parts)
	}
	c.at = before
	if bad != nil {
		return nil, bad
	}
	n.state = expanded
	return n.shapes, nil
}

func (c *compiler) conjunction(parts []*node) ([]*shape, *Problem) {
	shapes, bad := c.expand(parts[0])
	for _, p := range parts[1:] {
		if bad != nil {
			break
		}
		var more []*shape
		if more, bad = c.expand(p); bad == nil {
			shapes, bad = c.cross(shapes, more)
		}
	}
	return shapes, bad
}

// cross is every combination of a shape of each side.
func (c *compiler) cross(as, bs []*shape) ([]*shape, *Problem) {
	var out []*shape
	for _, a := range as {
		for _, b := range bs {
			s, bad := c.both(a, b)
			if bad != nil {
				return nil, bad
			}
			if s == nil {
				continue
			}
			if bad := c.spend(1); bad != nil {
				return nil, bad
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// spend counts shapes against the limit.
func (c *compiler) spend(n int) *Problem {
	if c.count += n; c.count > maxShapes {
		return problem(c.at, "the schema is too large: put together it has more than %d alternatives", maxShapes)
	}
	return nil
}

// matches reports whether a pattern matches a text.
func (c *compiler) matches(p pattern, text string) (bool, *Problem) {
	re := c.found[p]
	if re == nil {
		src := p.src
		if !p.search {
			src = `\A(?:` + src + `)\z`
		}
		var err error
		if re, err = regexp.Compile(src); err != nil {
			return false, problem(c.at, "%q is not a regular expression that can be enforced", p.src)
		}
		c.found[p] = re
	}
	return re.MatchString(text), nil
}

// refer finds what a $ref means.
func (c *compiler) refer(v *value) (*node, *Problem) {
	if v.kind != kindString {
		return nil, problem(v.at, "$ref must be a string")
	}
	fragment, ok := strings.CutPrefix(v.text, "#")
	if !ok {
		return nil, problem(v.at, "only references inside the schema (#/...) are followed")
	}
	pointer, err := url.PathUnescape(fragment)
	if err != nil || pointer != "" && pointer[0] != '/' {
		return nil, problem(v.at, "only references by JSON pointer (#/...) are followed")
	}
	if pointer == "/" { // written by some for the whole schema
		pointer = ""
	}
	target := c.root.find(pointer)
	if target == nil {
		return nil, problem(v.at, "the reference %q leads nowhere", v.text)
	}
	return c.node(target), nil
}

// reach expands every node that the root needs, and finds out which of them take some value at all.
func (c *compiler) reach(root *node) *Problem {
	seen := map[*node]bool{root: true}
	todo := []*node{root}
	var order []*node
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		order = append(order, n)
		shapes, bad := c.expand(n)
		if bad != nil {
			return bad
		}
		for _, s := range shapes {
			for _, next := range s.nodes() {
				if next != nil && !seen[next] {
					seen[next] = true
					todo = append(todo, next)
				}
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for _, n := range slices.Backward(order) {
			if !n.ok && slices.ContainsFunc(n.shapes, c.possible) {
				n.ok, changed = true, true
			}
		}
	}
	return nil
}

// nodes lists what a shape refers to.
func (s *shape) nodes() []*node {
	out := append(slices.Clone(s.arr.prefix), s.arr.rest, s.obj.rest)
	for _, p := range s.obj.props {
		out = append(out, p.node)
	}
	for _, p := range s.obj.patterns {
		out = append(out, p.node)
	}
	return out
}

// takes reports whether a node, nil for one that takes everything, takes some value.
func takes(n *node) bool { return n == nil || n.ok }

// possible reports whether some value has the shape, as far as is known of the nodes it refers to.
func (c *compiler) possible(s *shape) bool {
	switch s.kind {
	case kindNumber:
		return !s.num.empty()
	case kindString:
		return s.str.max < 0 || s.str.min <= s.str.max
	case kindArray:
		a := s.arr
		if a.max >= 0 && a.min > a.max {
			return false
		}
		for i := range min(a.min, len(a.prefix)+1) {
			if !takes(a.element(i)) {
				return false
			}
		}
	case kindObject:
		o := s.obj
		if o.max >= 0 && (o.min > o.max || len(o.required) > o.max) {
			return false
		}
		for _, r := range o.required {
			if n, bad := c.member(o, r); bad == nil && !takes(n) {
				return false
			}
		}
	case kindNull, kindBool:
	}
	return true
}
