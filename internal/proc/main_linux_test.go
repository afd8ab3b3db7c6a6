package proc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// childFlag makes the test binary play a child; the next argument says which.
const childFlag = "--proc-test-child"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == childFlag {
		os.Exit(child(os.Args[2], os.Args[3:]))
	}
	goleak.VerifyTestMain(m)
}

func child(act string, args []string) int {
	switch act {
	case "env":
		for _, kv := range os.Environ() {
			fmt.Println(kv)
		}
		dir, _ := os.Getwd()
		fmt.Println("dir=" + dir)
		fmt.Println("args=" + strings.Join(args, ","))
		fmt.Fprintln(os.Stderr, "to stderr")
	case "code":
		return 7
	case "panic":
		panic("on purpose")
	case "abort":
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGABRT)
		select {}
	case "sigkill":
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {}
	case "sigterm":
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGTERM)
		select {}
	case "fatal":
		new(sync.Mutex).Unlock()
	case "fault":
		fault()
	case "nil":
		var p *Exit
		p.Code = 1
	case "echo":
		c, err := Inherited()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if _, err := io.Copy(c, c); err != nil {
			return 1
		}
	case "no-channel":
		if _, err := Inherited(); err != nil {
			fmt.Println(err)
			return 0
		}
		return 1
	case "wait":
		fmt.Println("ready")
		_, _ = bufio.NewReader(os.Stdin).ReadString(0) // standard input is empty: ends at once
		select {}
	case "term":
		ch := make(chan os.Signal, 1)
		signal.Notify(ch, syscall.SIGTERM)
		fmt.Println("ready")
		<-ch
	case "limits":
		fmt.Println(readLimits())
	case "eat":
		var keep [][]byte
		for {
			b := make([]byte, 16<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			keep = append(keep, b)
			if len(keep) > 1000 {
				return 0
			}
		}
	case "parent":
		return parent()
	}
	return 0
}

// fault reads a mapped file that was cut meanwhile, as a model's file may be.
func fault() {
	path := filepath.Join(os.TempDir(), fmt.Sprint("proc-fault-", os.Getpid()))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return
	}
	_ = os.Remove(path) // it stays open to the end
	_ = f.Truncate(1 << 20)
	b, err := syscall.Mmap(int(f.Fd()), 0, 1<<20, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return
	}
	_ = f.Truncate(0)
	fmt.Println(b[1<<19])
}
