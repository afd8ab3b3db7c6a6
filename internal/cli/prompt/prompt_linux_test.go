package prompt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ashatai/internal/cli/prompt"
)

// openTerminal returns both ends of a pseudo-terminal: what a person types into, and what a program reads from.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	fd := int(person.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err = errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = program.Close(), person.Close() })
	return person, program
}

func TestHidden(t *testing.T) {
	person, program := openTerminal(t)
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
	person, program := openTerminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := prompt.Hidden(ctx, program, func(string, ...any) { cancel() }, "Value: ", "value")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := person.WriteString("\n"); err != nil { // ends the read that is left
		t.Fatal(err)
	}
}
