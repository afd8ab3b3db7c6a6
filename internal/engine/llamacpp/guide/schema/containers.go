package schema

import (
	"fmt"
	"slices"
	"strings"
)

// What stands between the parts of a value. It is fixed, so that there is nothing for a model to choose.
const (
	itemGap = ", "
	keyGap  = ": "
)

// maxName is the largest number of characters of a name that the schema does not list.
const maxName = 64

// array writes the elements of an array: those the schema lists one by one, then the others.
func (e *emitter) array(a arrays) (string, *Problem) {
	rest, most := a.rest, a.max
	if rest == nil && (len(a.prefix) == 0 || a.min > len(a.prefix)) {
		rest = e.c.any
	}
	n := len(a.prefix)
	if most >= 0 {
		n = min(n, most)
	}
	for i := range n {
		if !takes(a.prefix[i]) { // so the array ends before it; possible has seen that it may
			n, rest = i, nil
		}
	}
	var elements []string
	for _, p := range a.prefix[:n] {
		name, bad := e.node(p)
		if bad != nil {
			return "", bad
		}
		elements = append(elements, name)
	}
	tail := ""
	if rest != nil && (rest.ok || rest == e.c.any) {
		name, bad := e.anyNode(rest)
		if bad != nil {
			return "", bad
		}
		hi := -1
		if most >= 0 {
			hi = most - n
		}
		tail = list(name, max(0, a.min-n), hi, n > 0)
	}
	return `"[" ` + e.chain(elements, a.min, tail) + ` "]"`, nil
}

// anyNode is node, also for one that only the emitter needs.
func (e *emitter) anyNode(n *node) (string, *Problem) {
	if n == e.c.any && !n.ok {
		if bad := e.c.reach(n); bad != nil {
			return "", bad
		}
	}
	return e.node(n)
}

// list writes lo to hi items with gaps between them, and one before the first where glued is true. hi -1 is no bound.
func list(item string, lo, hi int, glued bool) string {
	gap := lark(itemGap)
	switch {
	case hi == 0:
		return ""
	case glued:
		return "(" + gap + " " + item + ")" + repeat(lo, hi)
	}
	more := hi
	if hi > 0 {
		more = hi - 1
	}
	out := item
	if more != 0 {
		out += " (" + gap + " " + item + ")" + repeat(max(0, lo-1), more)
	}
	if lo == 0 {
		return "(" + out + ")?"
	}
	return out
}

// chain writes elements in order, of which the first least must be there, and then tail, which follows all of them.
func (e *emitter) chain(elements []string, least int, tail string) string {
	if len(elements) == 0 {
		return tail
	}
	least = min(least, len(elements))
	out := tail
	for i, part := range slices.Backward(elements) {
		if i > 0 {
			part = lark(itemGap) + " " + part
		}
		if out != "" {
			part += " " + out
		}
		if i >= least {
			part = "(" + part + ")?"
			if i%leaf == 0 {
				part = e.ruleOf(part) // groups must not be nested deep
			}
		}
		out = part
	}
	return out
}

// entry is a member of an object in the grammar.
type entry struct {
	body     string // name and value
	required bool
	many     bool // any number of them; only the last entry is
}

func (e entry) after() string { // where others are before it
	s := lark(itemGap) + " " + e.body
	switch {
	case e.many:
		return "(" + s + ")*"
	case e.required:
		return s
	}
	return "(" + s + ")?"
}

func (e entry) first() string {
	if e.many {
		return list(e.body, 1, -1, false)
	}
	return e.body
}

// object writes the properties that the schema lists, in its order, and then the others.
func (e *emitter) object(o objects) (string, *Problem) {
	entries, bad := e.entries(o)
	if bad != nil {
		return "", bad
	}
	required := 0
	for _, x := range entries {
		if x.required {
			required++
		}
	}
	var fields string
	if o.max >= 0 || o.min > required {
		fields, bad = e.counted(o, entries)
	} else {
		fields = e.uncounted(entries)
	}
	if bad != nil {
		return "", bad
	}
	return `"{" ` + fields + ` "}"`, nil
}

// entries lists the members that an object may have.
func (e *emitter) entries(o objects) ([]entry, *Problem) {
	names := map[string]bool{}
	var out []entry
	add := func(name string, n *node) *Problem {
		names[name] = true
		if e.members++; e.members > maxMembers {
			return problem("", "the schema is too large: its objects have more than %d properties", maxMembers)
		}
		required := o.needs[name]
		if n == nil {
			n = e.c.any
		}
		if !n.ok && n != e.c.any {
			return nil // it may not be there; possible has seen that it need not
		}
		value, bad := e.anyNode(n)
		if bad != nil {
			return bad
		}
		out = append(out, entry{body: lark(quote(name)+keyGap) + " " + value, required: required})
		return nil
	}
	for _, p := range o.props {
		if bad := add(p.name, p.node); bad != nil {
			return nil, bad
		}
	}
	for _, r := range o.required {
		if names[r] {
			continue
		}
		n, bad := e.c.member(o, r)
		if bad == nil {
			bad = add(r, n)
		}
		if bad != nil {
			return nil, bad
		}
	}
	others, bad := e.others(o, names)
	if bad != nil {
		return nil, bad
	}
	if len(others) > 0 {
		body := others[0]
		if len(others) > 1 {
			body = "(" + strings.Join(others, " | ") + ")"
		}
		out = append(out, entry{body: body, many: true})
	}
	return out, nil
}

// others lists the members whose names the schema does not list: those that one pattern takes, and those that none does.
// A name that two patterns take is left out.
func (e *emitter) others(o objects, taken map[string]bool) ([]string, *Problem) {
	rest := o.rest
	if rest == nil && len(o.props)+len(o.patterns) == 0 {
		rest = e.c.any
	}
	var not []string
	for _, name := range sorted(taken) {
		not = append(not, lark(quote(name)))
	}
	patterns := make([]string, len(o.patterns))
	for i, p := range o.patterns {
		body, bad := e.patternBody(pattern{p.src, true})
		if bad != nil {
			return nil, bad
		}
		patterns[i] = `/"` + slashes(body) + `"/`
	}
	name := `/"` + anyChar + repeat(1, maxName) + `"/`
	var out []string
	for i, p := range o.patterns {
		if !takes(p.node) {
			continue
		}
		except := slices.Concat(not, patterns[:i], patterns[i+1:])
		member, bad := e.other(name+" & "+patterns[i], except, p.node)
		if bad != nil {
			return nil, bad
		}
		out = append(out, member)
	}
	if rest != nil && (rest.ok || rest == e.c.any) {
		member, bad := e.other(name, slices.Concat(not, patterns), rest)
		if bad != nil {
			return nil, bad
		}
		out = append(out, member)
	}
	return out, nil
}

func (e *emitter) other(name string, except []string, n *node) (string, *Problem) {
	if len(except) > 0 {
		name += " & ~(" + strings.Join(except, " | ") + ")"
	}
	if n == nil {
		n = e.c.any
	}
	value, bad := e.anyNode(n)
	return e.terminal(name) + " " + lark(keyGap) + " " + value, bad
}

func sorted(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for s := range set {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// uncounted writes the members of an object whose number is free.
func (e *emitter) uncounted(entries []entry) string {
	if len(entries) == 0 {
		return ""
	}
	fields := e.starting(entries)
	if !slices.ContainsFunc(entries, func(x entry) bool { return x.required }) {
		fields = "(" + fields + ")?"
	}
	return fields
}

// leaf is up to how many members are written in one rule. More are halved, so that rules are never nested deep.
const leaf = 8

// following writes members that come after another one.
func (e *emitter) following(entries []entry) string {
	if len(entries) > leaf {
		m := len(entries) / 2
		return e.ruleOf(e.following(entries[:m])) + " " + e.ruleOf(e.following(entries[m:]))
	}
	parts := make([]string, len(entries))
	for i, x := range entries {
		parts[i] = x.after()
	}
	return strings.Join(parts, " ")
}

// starting writes members, at least one, where none has come before.
func (e *emitter) starting(entries []entry) string {
	if len(entries) == 1 {
		return entries[0].first()
	}
	m := len(entries) / 2
	if entries[0].required {
		m = 1
	}
	out := e.starting(entries[:m])
	if m > 1 {
		out = e.ruleOf(out)
	}
	out += " " + e.ruleOf(e.following(entries[m:]))
	if !slices.ContainsFunc(entries[:m], func(x entry) bool { return x.required }) {
		out = "(" + out + " | " + e.ruleOf(e.starting(entries[m:])) + ")"
	}
	return out
}

// ruleOf names a definition that is long, so that it is written once.
func (e *emitter) ruleOf(body string) string {
	if len(body) < 40 {
		return body
	}
	if name := e.terms[body]; name != "" {
		return name
	}
	name := e.reserve()
	e.define(name, body)
	e.terms[body] = name
	return name
}

// counted writes the members of an object whose number is bounded. A rule stands for a place in the list of entries and
// the number of members before it.
func (e *emitter) counted(o objects, entries []entry) (string, *Problem) {
	top := o.min
	if o.max >= 0 {
		top = o.max
	}
	if len(entries)*(min(top, len(entries))+1) > maxCounted {
		return "", problem("", "minProperties and maxProperties of an object with %d properties cannot be enforced", len(entries))
	}
	k := counter{e: e, o: o, entries: entries, done: map[[2]int]string{}}
	body, ok := k.from(0, 0)
	if !ok {
		return "", problem("", "minProperties %d cannot be enforced: the schema does not list so many names", o.min)
	}
	return body, nil
}

type counter struct {
	e       *emitter
	o       objects
	entries []entry
	done    map[[2]int]string // "-": there is no way on
}

// from writes the entries from i on, after have members. ok is false when there is no way to the end.
func (k *counter) from(i, have int) (body string, ok bool) {
	key := [2]int{i, have}
	if body, had := k.done[key]; had {
		return body, body != "-"
	}
	body, ok = k.write(i, have)
	if ok && body != "" {
		body = k.e.ruleOf(body)
	}
	k.done[key] = body
	if !ok {
		k.done[key] = "-"
	}
	return body, ok
}

func (k *counter) write(i, have int) (string, bool) {
	room := -1
	if k.o.max >= 0 {
		room = k.o.max - have
	}
	if i == len(k.entries) {
		return "", have >= k.o.min
	}
	x := k.entries[i]
	if x.many {
		// Two members may have the same name and be one, so at most one of them counts.
		least := max(0, k.o.min-have)
		if least > 1 || room >= 0 && least > room {
			return "", false
		}
		return list(x.body, least, room, have > 0), true
	}
	var alts []string
	if room != 0 {
		if rest, ok := k.from(i+1, have+1); ok {
			body := x.body
			if have > 0 {
				body = lark(itemGap) + " " + body
			}
			alts = append(alts, strings.TrimSpace(body+" "+rest))
		}
	}
	if !x.required {
		if rest, ok := k.from(i+1, have); ok {
			if rest == "" {
				rest = `""`
			}
			alts = append(alts, rest)
		}
	}
	switch len(alts) {
	case 0:
		return "", false
	case 1:
		return alts[0], true
	}
	return fmt.Sprintf("(%s)", strings.Join(alts, " | ")), true
}
