package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/screen"
	"ashatai/internal/core"
)

// The exit codes of every command.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2 // the command line, a setting or the request is wrong
	ExitNotFound    = 3 // no such model
	ExitRefused     = 4 // not allowed, or in conflict with what is there
	ExitUnavailable = 5 // no server answers, or it cannot serve this now
	ExitInterrupted = 130
)

// usageError is a command line that cannot be understood.
type usageError struct {
	command string // "ashatai list"
	message string
}

func (e *usageError) Error() string { return e.message }

func usage(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{command: cmd.CommandPath(), message: fmt.Sprintf(format, args...)}
}

// noArgs, oneArg and someArgs say in a sentence what a command wants.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(cmd, "`%s` takes no arguments; %q is one too many.", cmd.CommandPath(), args[0])
	}
	return nil
}

func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 || args[0] == "":
			return usage(cmd, "`%s` wants %s.", cmd.CommandPath(), what)
		case len(args) > 1:
			return usage(cmd, "`%s` wants %s and nothing else; %q is one too many.", cmd.CommandPath(), what, args[1])
		}
		return nil
	}
}

// fromTo is for a command whose last arguments may be left out.
func fromTo(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage(cmd, "`%s` wants %s.", cmd.CommandPath(), what)
		case len(args) > most:
			return usage(cmd, "`%s` wants %s and nothing else; %q is one too many.", cmd.CommandPath(), what, args[most])
		}
		return nil
	}
}

func someArgs(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usage(cmd, "`%s` wants %s.", cmd.CommandPath(), what)
		case slices.Contains(args, ""):
			return usage(cmd, "`%s` wants %s; one of them is empty.", cmd.CommandPath(), what)
		}
		return nil
	}
}

// noSuchCommand answers for the root, whose arguments are commands that do not exist.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 1
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usage(cmd, "There is no command %q. Did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return usage(cmd, "There is no command %q.", args[0])
}

// exitCode is the exit code that belongs to how a command ended.
func exitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return ExitUsage
	}
	if errors.Is(err, context.Canceled) {
		return ExitInterrupted
	}
	switch core.CodeOf(err) {
	case core.CodeInvalidRequest:
		return ExitUsage
	case core.CodeNotFound, core.CodeModelNotFound:
		return ExitNotFound
	case core.CodeUnauthenticated, core.CodeForbidden, core.CodeConflict, core.CodeQuarantined:
		return ExitRefused
	case core.CodeUnavailable, core.CodeDraining, core.CodeRateLimited, core.CodeQueueFull, core.CodeOutOfMemory:
		return ExitUnavailable
	case core.CodeCancelled:
		return ExitInterrupted
	case core.CodeContextExceeded, core.CodeUnsupported, core.CodeMethod, core.CodeTooLarge, core.CodeDeadline,
		core.CodeBadModel, core.CodeDiskFull, core.CodeWorkerDied, core.CodeInternal:
	}
	return ExitFailed
}

// report tells on standard error how a command failed, one line for each of several errors. An interrupt needs no words.
func (a *app) report(err error) {
	if many, ok := err.(interface{ Unwrap() []error }); ok { // a list itself, not one inside an error
		for _, e := range many.Unwrap() {
			a.report(e)
		}
		return
	}
	if errors.Is(err, context.Canceled) {
		return
	}
	a.err.Printf("%s %s\n", a.err.Red("ashatai:"), screen.Plain(message(err)))
	if u, ok := errors.AsType[*usageError](err); ok {
		a.err.Printf("`%s --help` shows how it is used.\n", u.command)
	}
}

// message is what a user is told of an error.
func message(err error) string {
	if e, ok := errors.AsType[*core.Error](err); ok {
		return e.Message
	}
	return sentence(err.Error())
}

// sentence makes a library's error text look like the product's own.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	s = string(unicode.ToUpper(r)) + s[n:]
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") {
		s += "."
	}
	return s
}
