//go:build unix

package mock

import (
	"os"
	"syscall"
	"time"
)

// channel is the descriptor of a worker's channel.
const channel = 3

// crash ends the process.
func crash(how string) {
	switch how {
	case "exit":
		os.Exit(3)
	case "panic":
		panic("the mock runtime was asked to panic")
	default:
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGABRT)
		select {}
	}
}

// freeze stops the process until somebody kills or continues it.
func freeze() {
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
	<-time.After(100 * time.Millisecond) // the threads stop one after the other
}

// garbage writes bytes into the worker's channel that state a frame far over every limit.
func garbage() { _, _ = syscall.Write(channel, []byte("\xff\xff\xff\xffgarbage")) }
