package value

import (
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Str is text that remembers which parts of it the template wrote. The offsets in cuts are where that changes; the first
// part's mark is trusted.
type Str struct {
	s       string
	cuts    []int
	trusted bool
	markup  bool // made by the safe or escape filter: joining plain text to it with + escapes that text
}

// Text makes a string of one origin.
func Text(s string, trusted bool) *Str { return &Str{s: s, trusted: trusted} }

// String is the bare text.
func (x *Str) String() string { return x.s }

// Trusted reports whether the template wrote all of it.
func (x *Str) Trusted() bool { return x.cuts == nil && x.trusted || x.s == "" }

// Runs walks the parts of one origin, in order, none of them empty.
func (x *Str) Runs() iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		from, mark := 0, x.trusted
		for _, c := range x.cuts {
			if !yield(x.s[from:c], mark) {
				return
			}
			from, mark = c, !mark
		}
		if from < len(x.s) {
			yield(x.s[from:], mark)
		}
	}
}

// Cut is the text from byte i to byte j with its marks.
func (x *Str) Cut(i, j int) *Str { return x.slice(i, j) }

// Head is the first n code points, or all where there are fewer.
func (x *Str) Head(n int64) *Str {
	size := x.Len()
	if n >= int64(size) {
		return x
	}
	return x.slice(0, byteOffset(x.s, int(n), size))
}

// slice is the text from byte i to byte j with its marks.
func (x *Str) slice(i, j int) *Str {
	switch {
	case i == 0 && j == len(x.s):
		return x
	case i >= j:
		return &Str{trusted: true, markup: x.markup}
	}
	out := &Str{s: x.s[i:j], trusted: x.trusted, markup: x.markup}
	for _, c := range x.cuts {
		switch {
		case c <= i:
			out.trusted = !out.trusted
		case c < j:
			out.cuts = append(out.cuts, c-i)
		}
	}
	return out
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Len is the number of code points, as Python counts.
func (x *Str) Len() int { return utf8.RuneCountInString(x.s) }

// chars is the text as a list of one-character strings.
func (x *Str) chars(b *Budget) ([]Value, error) {
	if err := b.NewItems(x.Len()); err != nil {
		return nil, err
	}
	out := make([]Value, 0, x.Len())
	for i := 0; i < len(x.s); {
		_, n := utf8.DecodeRuneInString(x.s[i:])
		out = append(out, x.slice(i, i+n))
		i += n
	}
	return out, nil
}

// Builder joins pieces of text within a budget. After the first failure it does nothing more.
type Builder struct {
	budget *Budget
	text   strings.Builder
	cuts   []int
	first  bool
	last   bool
	limit  int
	err    error
}

// NewBuilder makes a Builder for one string within b.
func NewBuilder(b *Budget) *Builder { return &Builder{budget: b, limit: b.Text} }

// NewOutput makes a Builder that holds at most limit bytes.
func NewOutput(b *Budget, limit int) *Builder { return &Builder{budget: b, limit: limit} }

// Add appends text of one origin.
func (w *Builder) Add(s string, trusted bool) {
	if w.err != nil || s == "" {
		return
	}
	at := w.text.Len()
	if len(s) > w.limit-at {
		w.err = limitError("the text that the template makes grew over ", strconv.Itoa(w.limit), " bytes")
		return
	}
	if w.err = w.budget.Alloc(len(s)); w.err != nil {
		return
	}
	switch {
	case at == 0:
		w.first = trusted
	case trusted != w.last:
		w.cuts = append(w.cuts, at)
	}
	w.last = trusted
	w.text.WriteString(s)
}

// AddStr appends text with its marks.
func (w *Builder) AddStr(x *Str) {
	if x.cuts == nil {
		w.Add(x.s, x.trusted)
		return
	}
	for s, trusted := range x.Runs() {
		w.Add(s, trusted)
	}
}

// Err is the first failure.
func (w *Builder) Err() error { return w.err }

// Str is the joined text, or the first failure.
func (w *Builder) Str() (*Str, error) {
	if w.err != nil {
		return nil, w.err
	}
	return &Str{s: w.text.String(), cuts: w.cuts, trusted: w.first || w.text.Len() == 0}, nil
}

// Concat joins strings.
func Concat(b *Budget, parts ...*Str) (*Str, error) {
	n, same := 0, true
	for _, p := range parts {
		n += len(p.s)
		same = same && p.cuts == nil && p.trusted == parts[0].trusted
	}
	if err := b.NewText(n); err != nil {
		return nil, err
	}
	if same && len(parts) == 2 {
		return &Str{s: parts[0].s + parts[1].s, trusted: parts[0].trusted}, nil
	}
	w := NewBuilder(b)
	w.text.Grow(n)
	for _, p := range parts {
		w.AddStr(p)
	}
	return w.Str()
}

// Repeat is x n times, and empty where n is negative.
func Repeat(b *Budget, x *Str, n int64) (*Str, error) { return repeatStr(b, x, n) }

// Pad puts fill left times before x and right times behind it.
func Pad(b *Budget, x, fill *Str, left, right int64) (*Str, error) {
	return padStr(b, x, fill, left, right)
}

func repeatStr(b *Budget, x *Str, n int64) (*Str, error) {
	if n <= 0 || x.s == "" {
		return Text("", true), nil
	}
	if n > int64(b.Text/len(x.s)) {
		return nil, b.NewText(-1)
	}
	if x.cuts == nil {
		if err := b.NewText(len(x.s) * int(n)); err != nil {
			return nil, err
		}
		return &Str{s: strings.Repeat(x.s, int(n)), trusted: x.trusted, markup: x.markup}, nil
	}
	w := NewBuilder(b)
	for range n {
		w.AddStr(x)
	}
	return w.Str()
}

// Safe marks text as markup, as the safe filter does.
func Safe(x *Str) *Str {
	y := *x
	y.markup = true
	return &y
}

// IsMarkup reports whether the text was marked by the safe or escape filter.
func (x *Str) IsMarkup() bool { return x.markup }

// Escape replaces the five characters that HTML treats specially and marks the result as markup.
func Escape(b *Budget, x *Str) (*Str, error) {
	w := NewBuilder(b)
	for s, trusted := range x.Runs() {
		from := 0
		for i := range len(s) {
			if e := htmlEscape(s[i]); e != "" {
				w.Add(s[from:i], trusted)
				w.Add(e, trusted)
				from = i + 1
			}
		}
		w.Add(s[from:], trusted)
	}
	out, err := w.Str()
	if err != nil {
		return nil, err
	}
	out.markup = true
	return out, nil
}

func htmlEscape(c byte) string {
	switch c {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '"':
		return "&#34;"
	case '\'':
		return "&#39;"
	}
	return ""
}
