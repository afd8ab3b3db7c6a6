package proc

import (
	"fmt"
	"strings"
)

// Class says in one word how a child ended.
type Class string

// The classes that a process shows by itself.
const (
	ClassClean       Class = "clean"         // exit code 0
	ClassFailed      Class = "failed"        // another exit code
	ClassOutOfMemory Class = "out_of_memory" // the kernel or its own allocator refused memory
	ClassSignal      Class = "signal"        // a fatal signal: a crash in native code, mostly
	ClassPanic       Class = "panic"         // an unrecovered Go panic or runtime error
	ClassKilled      Class = "killed"        // Kill was called
)

// Exit is how a child ended.
type Exit struct {
	Code        int    // exit code; -1 when a signal ended it
	Signal      string // "SIGSEGV"; empty when no signal ended it
	Killed      bool   // Kill was called before the end
	OutOfMemory bool   // the kernel's out-of-memory killer worked while the child lived, and a SIGKILL ended it
}

// pythonFailure is the exit code of a Python program that ends by an exception, after it wrote where that came from.
const pythonFailure = 1

// goCrash is the exit code of a Go program that ends by a panic, a runtime error or a signal that its runtime caught.
const goCrash = 2

// Classify reads the class from the exit and from the last lines of standard error, where runtimes say why they ended.
// The second result is the line that tells, or a description of the exit where no line does.
func (e Exit) Classify(stderr string) (Class, string) {
	switch {
	case e.Killed:
		return ClassKilled, "it was killed"
	case e.OutOfMemory:
		return ClassOutOfMemory, "the kernel killed it because memory ran out"
	case e.Code == 0:
		return ClassClean, "it ended by itself"
	}
	if line, ok := findLine(stderr, isOutOfMemory); ok {
		return ClassOutOfMemory, line
	}
	if e.Signal != "" {
		return ClassSignal, "signal " + e.Signal
	}
	if e.Code == goCrash {
		if line, ok := findLine(stderr, isSignalReport); ok {
			return ClassSignal, line
		}
		if line, ok := findLine(stderr, isPanicReport); ok {
			return ClassPanic, line
		}
	}
	if e.Code == pythonFailure {
		if line, ok := exception(stderr); ok {
			return ClassPanic, line
		}
	}
	return ClassFailed, fmt.Sprintf("exit code %d", e.Code)
}

// exception is the last line of the last traceback of a Python program.
func exception(stderr string) (string, bool) {
	at := strings.LastIndex(stderr, "Traceback (most recent call last):")
	if at < 0 {
		return "", false
	}
	last := ""
	for line := range strings.Lines(stderr[at:]) {
		if text := strings.TrimRight(line, "\r\n"); text != "" && text[0] != ' ' {
			last = text
		}
	}
	return strings.ToValidUTF8(last[:min(len(last), maxDetail)], ""), true
}

func isOutOfMemory(line string) bool {
	return strings.HasPrefix(line, "fatal error: runtime: out of memory") || strings.HasPrefix(line, "fatal error: out of memory") ||
		strings.HasPrefix(line, "fatal error: runtime: cannot allocate memory") || strings.HasPrefix(line, "runtime: out of memory") ||
		strings.Contains(line, "std::bad_alloc") || line == "MemoryError" || strings.HasPrefix(line, "MemoryError: ") ||
		strings.Contains(line, "DefaultCPUAllocator: can't allocate memory")
}

// isSignalReport knows the first line that the Go runtime writes for a fatal signal in native code, "SIGABRT: abort".
func isSignalReport(line string) bool {
	name, _, ok := strings.Cut(line, ": ")
	return ok && strings.HasPrefix(name, "SIG") && strings.ToUpper(name) == name && !strings.Contains(name, " ")
}

func isPanicReport(line string) bool {
	return strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")
}

const maxDetail = 300

func findLine(text string, match func(string) bool) (string, bool) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); match(line) {
			return strings.ToValidUTF8(line[:min(len(line), maxDetail)], ""), true
		}
	}
	return "", false
}
