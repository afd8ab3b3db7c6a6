package screen

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPlain(t *testing.T) {
	if got := Plain("a\x1b[31mb\rc\td\n\u009be\u202ef\x00é"); got != "a\uFFFD[31mb\uFFFDc\td\n\uFFFDe\uFFFDf\uFFFDé" {
		t.Errorf("%q", got)
	}
	var b strings.Builder
	s := &Screen{w: &b, Terminal: true}
	if err := s.Text("\x1b]0;title\a"); err != nil || strings.ContainsAny(b.String(), "\x1b\a") {
		t.Errorf("%q, %v", b.String(), err)
	}
	b.Reset()
	s.Terminal = false
	if err := s.Text("\x1b[0m"); err != nil || b.String() != "\x1b[0m" {
		t.Errorf("a file gets %q, %v", b.String(), err)
	}
}

func TestPaint(t *testing.T) {
	var b strings.Builder
	s := New(&b, true)
	if s.Terminal || s.Red("x") != "x" || s.Width() != 80 {
		t.Errorf("a file is no terminal: %+v", s)
	}
	s.colour = true
	for got, want := range map[string]string{s.Red("x"): "31", s.Green("x"): "32", s.Yellow("x"): "33", s.Bold("x"): "1", s.Dim("x"): "2"} {
		if got != "\x1b["+want+"mx\x1b[0m" {
			t.Errorf("%q, want %s", got, want)
		}
	}
	New(nil, true).Printf("nobody reads %s", "this")
	for want, env := range map[bool][]string{true: nil, false: {"TERM=xterm", "NO_COLOR=1"}} {
		if WantsColour(env) != want || WantsColour(append(env, "TERM=dumb")) {
			t.Errorf("%v", env)
		}
	}
	if got := Lookup([]string{"A=1", "B=2", "A=3"}, "A"); got != "3" {
		t.Errorf("the last one of a name counts, not %q", got)
	}
}

func TestTableAndJSON(t *testing.T) {
	var b strings.Builder
	s := New(&b, false)
	if err := s.Table([][]string{{"A", "LONGER"}, {"wide cell", "\x1b"}}); err != nil || b.String() != "A          LONGER\nwide cell  \uFFFD\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	b.Reset()
	rows := [][]string{{"A", "B"}, {"名前", "x"}, {"e\u0301a", "y"}, {"one\ntwo", "z"}}
	if err := s.Table(rows); err != nil || b.String() != "A        B\n名前     x\ne\u0301a       y\none two  z\n" {
		t.Errorf("columns are not where a terminal shows them: %q, %v", b.String(), err)
	}
	b.Reset()
	if err := s.Raw(json.RawMessage(`{"a":[1]} `)); err != nil || b.String() != "{\n  \"a\": [\n    1\n  ]\n}\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	b.Reset()
	if err := s.JSON(map[string]string{"a": "<b>"}); err != nil || b.String() != "{\n  \"a\": \"<b>\"\n}\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	if s.Raw(json.RawMessage("{")) == nil {
		t.Error("half an object was written")
	}
}
