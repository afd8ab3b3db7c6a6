package modelfile

import (
	"fmt"
	"strconv"
	"strings"

	"ashatai/internal/core"
)

// Of is the file that would make the model m again. Its FROM is m itself, which has the bytes.
func Of(m *core.Manifest) *File {
	return &File{
		From: m.Name, FromLine: 1, System: m.System, Template: m.Template, License: m.License,
		Defaults: m.Defaults, Stop: m.Stop, Window: m.Window, Messages: m.Messages,
	}
}

// Text writes the file so that Parse reads the same. A text that the form cannot hold is left out with a comment: then
// what FROM names has to bring it.
func (f *File) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "FROM %s\n", quote(f.From))
	block := func(word, text string, quote func(string) string) {
		switch {
		case text == "":
		case !fits(text):
			fmt.Fprintf(&b, "# %s cannot be written in a Modelfile and is left out; FROM has it.\n", word)
		default:
			fmt.Fprintf(&b, "%s %s\n", word, quote(text))
		}
	}
	block("TEMPLATE", f.Template, long)
	block("SYSTEM", f.System, long)
	for _, p := range f.Parameters() {
		block("PARAMETER "+p.Name, p.Value, parameterQuote(p.Name))
	}
	for _, m := range f.Messages {
		block("MESSAGE "+string(m.Role), m.Content, quote)
	}
	block("LICENSE", f.License, long)
	return b.String()
}

// fits reports whether a text comes back as it was: no line of it may look like the end of a value, and line ends are
// those of Unix.
func fits(text string) bool {
	if strings.ContainsAny(text, "\r\x00") || text != strings.ToValidUTF8(text, "") {
		return false
	}
	lines := strings.Split(text, "\n")
	for _, line := range lines[:len(lines)-1] { // the last one has the mark behind it
		if strings.HasSuffix(strings.TrimRight(line, " \t"), `"""`) {
			return false
		}
	}
	return true
}

// quote leaves a simple value bare.
func quote(text string) string {
	if strings.ContainsAny(text, "\n\"") || strings.TrimSpace(text) != text {
		return long(text)
	}
	return text
}

func long(text string) string { return `"""` + text + `"""` }

// parameterQuote marks the ends of a stop string, which may be white space; numbers are bare.
func parameterQuote(name string) func(string) string {
	if name != "stop" {
		return quote
	}
	return func(text string) string {
		if strings.ContainsAny(text, "\n\"") {
			return long(text)
		}
		return `"` + text + `"`
	}
}

// Parameter is one PARAMETER.
type Parameter struct{ Name, Value string }

// Parameters lists what the file sets, in the order in which it is written.
func (f *File) Parameters() []Parameter {
	var out []Parameter
	add := func(name, value string) { out = append(out, Parameter{name, value}) }
	for _, s := range f.Stop {
		add("stop", s)
	}
	if f.Window > 0 {
		add("num_ctx", strconv.Itoa(f.Window))
	}
	d := f.Defaults
	for _, p := range []struct {
		name string
		v    *float64
	}{
		{"temperature", d.Temperature},
		{"top_p", d.TopP},
		{"min_p", d.MinP},
		{"typical_p", d.TypicalP},
		{"repeat_penalty", d.RepeatPenalty},
		{"presence_penalty", d.PresencePenalty},
		{"frequency_penalty", d.FrequencyPenalty},
	} {
		if p.v != nil {
			add(p.name, strconv.FormatFloat(*p.v, 'g', -1, 64))
		}
	}
	for _, p := range []struct {
		name string
		v    *int
	}{{"top_k", d.TopK}, {"repeat_last_n", d.RepeatLastN}} {
		if p.v != nil {
			add(p.name, strconv.Itoa(*p.v))
		}
	}
	if d.Seed != nil {
		add("seed", strconv.FormatInt(*d.Seed, 10))
	}
	return out
}
