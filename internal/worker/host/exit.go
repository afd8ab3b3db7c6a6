package host

import (
	"fmt"

	"ashatai/internal/core"
	"ashatai/internal/proc"
	"ashatai/internal/worker/wire"
)

// Classes that only the other side of the channel can see; the rest are those of package proc.
const (
	ClassProtocol proc.Class = "protocol" // it broke the protocol
	ClassHung     proc.Class = "hung"     // it was silent for too long and was killed
)

// Exit is how a worker ended against its host's will. Its text is for the log.
type Exit struct { //nolint:errname // it is the end of a process first, and an error by use
	Class      proc.Class
	Detail     string // a few words, such as "signal SIGSEGV"
	Code       int    // exit code; -1 when a signal ended it
	Signal     string
	StderrTail string // the last of what it wrote to standard error
}

// Error is the class with its detail.
func (e *Exit) Error() string { return fmt.Sprintf("worker ended: %s: %s", e.Class, e.Detail) }

// maxTail bounds what an Exit keeps of standard error; more is read to find the reason.
const (
	maxTail   = 4 << 10
	maxStderr = 64 << 10
)

// verdict is what this side knew before the process ended; it counts more than what the process shows.
type verdict struct {
	class  proc.Class
	detail string
}

// exitOf joins what the process shows, what it wrote and what was known.
func exitOf(raw proc.Exit, stderr string, known verdict) *Exit {
	class, detail := raw.Classify(stderr)
	if class == proc.ClassFailed {
		switch raw.Code {
		case wire.ExitPanic:
			class, detail = proc.ClassPanic, "a panic while it served a call"
		case wire.ExitProtocol:
			class, detail = ClassProtocol, "it could not read what the server sent"
		}
	}
	if known.class != "" {
		class, detail = known.class, known.detail
	}
	return &Exit{Class: class, Detail: detail, Code: raw.Code, Signal: raw.Signal, StderrTail: stderr[max(0, len(stderr)-maxTail):]}
}

// died is what a request is told when its worker has ended.
func (w *worker) died(e *Exit) *core.Error {
	return core.Wrap(core.CodeWorkerDied, e,
		"The %s worker process that served this request ended unexpectedly (%s); only its own model is affected, and the request can be sent again.", w.runtime, word(e.Class))
}

// word says a class to a user.
func word(c proc.Class) string {
	switch c {
	case proc.ClassOutOfMemory:
		return "out of memory"
	case proc.ClassSignal:
		return "a crash in native code"
	case proc.ClassPanic:
		return "a defect in the worker"
	case proc.ClassKilled:
		return "it was killed"
	case ClassProtocol:
		return "it broke the worker protocol"
	case ClassHung:
		return "it stopped responding"
	case proc.ClassClean, proc.ClassFailed:
	}
	return "it stopped by itself"
}

func unloaded() *core.Error {
	return core.Errorf(core.CodeUnavailable, "The model was unloaded while the request was under way; send it again.")
}
