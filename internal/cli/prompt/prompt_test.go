package prompt_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"ashatai/internal/cli/prompt"
	"ashatai/internal/core"
)

func TestWithoutTerminal(t *testing.T) {
	in := strings.NewReader("x")
	tell := func(string, ...any) { t.Error("somebody is asked") }
	if _, err := prompt.Hidden(t.Context(), in, tell, "Value: ", "value"); core.CodeOf(err) != core.CodeInvalidRequest || prompt.Terminal(in) {
		t.Errorf("%v", err)
	}
}

func TestLine(t *testing.T) {
	for text, want := range map[string]string{"one\ntwo\n": "one", "one": "one", "one\r\n": "one", "\n": ""} {
		if got, err := prompt.Line(strings.NewReader(text)); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, in := range []io.Reader{strings.NewReader(""), iotest.ErrReader(errors.New("gone"))} {
		if _, err := prompt.Line(in); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%v", err)
		}
	}
}

func TestAll(t *testing.T) {
	if got, err := prompt.All(strings.NewReader("one\ntwo\n"), 8); got != "one\ntwo" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := prompt.All(strings.NewReader("123456789"), 8); core.CodeOf(err) != core.CodeTooLarge {
		t.Errorf("%v", err)
	}
	if _, err := prompt.All(iotest.ErrReader(errors.New("gone")), 8); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Errorf("%v", err)
	}
}
