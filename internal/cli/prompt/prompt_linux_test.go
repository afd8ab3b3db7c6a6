package prompt_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"ashatai/internal/cli/prompt"
	"ashatai/test/ptytest"
)

func TestHidden(t *testing.T) {
	person, program := ptytest.Open(t)
	told := ""
	tell := func(format string, args ...any) {
		told += fmt.Sprintf(format, args...)
		if told == "Value: " {
			if _, err := person.WriteString("hf_x\n"); err != nil {
				t.Error(err)
			}
		}
	}
	if got, err := prompt.Hidden(t.Context(), program, tell, "Value: ", "value"); got != "hf_x" || err != nil || told != "Value: \n" || !prompt.Terminal(program) {
		t.Errorf("%q, %v, %q", got, err, told)
	}
}

// TestHiddenInterrupted: who gives up is not asked any more.
func TestHiddenInterrupted(t *testing.T) {
	person, program := ptytest.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := prompt.Hidden(ctx, program, func(string, ...any) { cancel() }, "Value: ", "value")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := person.WriteString("\n"); err != nil { // ends the read that is left
		t.Fatal(err)
	}
}
