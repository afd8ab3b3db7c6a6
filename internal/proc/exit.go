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
	ClassSignal      Class = "signal"        // a signal of its own: a crash in native code, mostly
	ClassPanic       Class = "panic"         // an unrecovered Go panic or runtime error, or an exception in Python
	ClassKilled      Class = "killed"        // Kill was called, or somebody else sent a signal that ends processes
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
// The second result is the line that tells, or a description of the exit where no line does. A line counts only with the kind of exit
// that it comes with: what a child wrote long before, and got over, says nothing of its end.
func (e Exit) Classify(stderr string) (Class, string) {
	switch {
	case e.Killed:
		return ClassKilled, "it was killed"
	case e.OutOfMemory:
		return ClassOutOfMemory, "the kernel killed it because memory ran out"
	case e.Code == 0:
		return ClassClean, "it ended by itself"
	}
	switch e.Signal {
	case "":
	case "SIGKILL", "SIGTERM", "SIGINT", "SIGHUP": // nothing sends them to itself
		return ClassKilled, "signal " + e.Signal + " from outside the server"
	default:
		return native("signal "+e.Signal, stderr)
	}
	switch e.Code {
	case goCrash:
		if class, detail, ok := crash(stderr); ok {
			return class, detail
		}
	case pythonFailure:
		if class, detail, ok := exception(stderr); ok {
			return class, detail
		}
	}
	return ClassFailed, fmt.Sprintf("exit code %d", e.Code)
}

// native is an end by a signal of the child's own, with what its library wrote about it.
func native(how, stderr string) (Class, string) {
	said, ok := findLine(stderr, isLastWord)
	switch {
	case !ok:
		return ClassSignal, how
	case isNativeMemory(said):
		return ClassOutOfMemory, said
	}
	if what, ok := findLine(stderr, func(line string) bool { return strings.HasPrefix(line, "what():") }); ok {
		said += ", " + what
	}
	return ClassSignal, cut(how + ": " + said)
}

// crash reads what the Go runtime writes before it ends a program.
func crash(stderr string) (Class, string, bool) {
	if line, ok := findLine(stderr, isGoMemory); ok {
		return ClassOutOfMemory, line, true
	}
	if line, ok := findLine(stderr, isSignalReport); ok {
		class, detail := native(line, stderr)
		return class, detail, true
	}
	line, ok := findLine(stderr, isPanicReport)
	if fault, is := findLine(stderr, func(line string) bool { return strings.HasPrefix(line, "[signal ") }); is && isFault(line) {
		return ClassSignal, cut(line + " " + fault), true
	}
	return ClassPanic, line, ok
}

// exception is the last line of the last traceback of a Python program, or what Python could not even begin for.
func exception(stderr string) (Class, string, bool) {
	at := strings.LastIndex(stderr, "Traceback (most recent call last):")
	if at < 0 {
		line, ok := findLine(stderr, func(line string) bool { return strings.HasPrefix(line, pythonFatal) || isPythonMemory(line) })
		if ok && isPythonMemory(line) {
			return ClassOutOfMemory, line, true
		}
		return ClassPanic, line, ok
	}
	last := ""
	for line := range strings.Lines(stderr[at:]) {
		if text := strings.TrimRight(line, "\r\n"); text != "" && text[0] != ' ' {
			last = text
		}
	}
	if isPythonMemory(last) {
		return ClassOutOfMemory, cut(last), true
	}
	return ClassPanic, cut(last), true
}

func isGoMemory(line string) bool {
	return strings.HasPrefix(line, "fatal error: runtime: out of memory") || strings.HasPrefix(line, "fatal error: out of memory") ||
		strings.HasPrefix(line, "fatal error: runtime: cannot allocate memory") || strings.HasPrefix(line, "runtime: out of memory")
}

func isPythonMemory(line string) bool {
	return line == "MemoryError" || strings.HasPrefix(line, "MemoryError: ") || strings.Contains(line, "OutOfMemoryError: ") ||
		strings.Contains(line, "DefaultCPUAllocator: can't allocate memory")
}

func isNativeMemory(line string) bool {
	return strings.HasPrefix(line, terminated) && strings.Contains(line, "'std::bad_alloc'") || strings.Contains(line, ggmlMemory)
}

// isSignalReport knows the first line that the Go runtime writes for a fatal signal in native code, "SIGABRT: abort", and what it writes
// where it cannot even do that.
func isSignalReport(line string) bool {
	name, _, ok := strings.Cut(line, ": ")
	return ok && strings.HasPrefix(name, "SIG") && strings.ToUpper(name) == name && !strings.Contains(name, " ") || line == "fatal: bad g in signal handler"
}

func isPanicReport(line string) bool {
	return strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")
}

// isFault knows a panic report that is for a signal which no Go code can be blamed for: a mapped file that was cut, memory that native
// code spoilt. A nil pointer of Go's own is an ordinary panic.
func isFault(line string) bool {
	return strings.HasPrefix(line, "fatal error: fault") || strings.HasPrefix(line, "fatal error: unexpected signal")
}

// What native libraries write on standard error right before they end their process.
const (
	terminated  = "terminate called "                             // C++'s std::terminate
	pythonFatal = "Fatal Python error: "                          // with or without its fault handler
	ggmlMemory  = ": insufficient memory (attempted to allocate " // llama.cpp, which then aborts
)

func isLastWord(line string) bool {
	for _, begin := range []string{
		terminated, pythonFatal,
		"free(): ", "malloc(): ", "realloc(): ", "munmap_chunk(): ", "malloc_consolidate(): ", "double free or corruption", "corrupted ", // glibc's heap
		"*** stack smashing detected ***", "*** buffer overflow detected ***",
	} {
		if strings.HasPrefix(line, begin) {
			return true
		}
	}
	return strings.Contains(line, ": Assertion `") || strings.Contains(line, "GGML_ASSERT(") || strings.Contains(line, ggmlMemory)
}

const maxDetail = 300

func cut(line string) string { return strings.ToValidUTF8(line[:min(len(line), maxDetail)], "") }

// findLine is the last line that matches: what a process says of its end comes last.
func findLine(text string, match func(string) bool) (found string, ok bool) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); match(line) {
			found, ok = cut(line), true
		}
	}
	return found, ok
}
