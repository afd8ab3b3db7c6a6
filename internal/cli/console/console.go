// Package console is what a group of commands in a folder of its own is lent by the command line: the screen, its tables and
// its words for wrong use. It holds no command.
package console

import (
	"context"
	"encoding/json"
	"io"

	"github.com/spf13/cobra"
)

// JSONUsage describes the flag --json of every command.
const JSONUsage = "print JSON for other programs"

// Server is a server that answers.
type Server struct {
	// Call sends a JSON body, or none, reads a JSON answer into a value, and returns the answer's text.
	Call func(ctx context.Context, method, path string, body, into any) (json.RawMessage, error)
	// Open reads an answer that streams. The caller closes it.
	Open func(ctx context.Context, path string) (io.ReadCloser, error)
}

// Console is the screen and the habits of the command line.
type Console struct {
	Printf func(format string, args ...any)
	Tell   func(format string, args ...any) // writes to the person, beside the output
	Table  func(rows [][]string) error      // the first row is the heading
	JSON   func(v any) error
	Plain  func(text string) string      // without what would steer a terminal
	Plural func(n int, of string) string // "1 row", "2 rows"
	Usage  func(cmd *cobra.Command, format string, args ...any) error
	// Server adds the flags that name a server to a command, and returns what connects to it once they are read.
	Server func(cmd *cobra.Command) func() (Server, error)
	NoArgs cobra.PositionalArgs
	OneArg func(what string) cobra.PositionalArgs
	Args   func(least, most int, what string) cobra.PositionalArgs
	NoSuch cobra.PositionalArgs // for a command that only has commands below it
}
