package mock

import "os"

// crash ends the process.
func crash(how string) {
	if how == "panic" {
		panic("the mock runtime was asked to panic")
	}
	os.Exit(3)
}

// freeze cannot stop the whole process here and ends it instead.
func freeze() { os.Exit(3) }

// garbage writes bytes into the worker's channel that state a frame far over every limit.
func garbage() { _, _ = os.Stdout.WriteString("\xff\xff\xff\xffgarbage") }
