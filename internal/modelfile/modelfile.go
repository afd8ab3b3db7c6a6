// Package modelfile reads and writes the text file that says what a model is made of, in the form that Ollama gave it: one
// instruction a line, long values in quotation marks.
//
// It opens nothing and asks nobody: what FROM names is for its caller to find. It drops nothing in silence: an instruction
// that is not known or means nothing here is an error with its line, and a parameter without effect is a note.
package modelfile

import "ashatai/internal/core"

// The bounds of a file.
const (
	MaxBytes    = 4 << 20 // of the whole file
	MaxMessages = 1024
	maxWindow   = 1 << 24 // tokens; a model's own limit is far below
)

// File is what a Modelfile says. What it does not say is empty.
type File struct {
	From     string // a model's name, a file or a folder, as it is written
	FromLine int    // 0: there is no FROM

	System   string
	Template string
	License  string // several are joined by an empty line
	Defaults core.Sampling
	Stop     []string // nil: not said
	Window   int      // tokens per sequence; 0: not said
	Messages []core.Turn

	Notes []string // sentences about what has no effect, with their lines
}
