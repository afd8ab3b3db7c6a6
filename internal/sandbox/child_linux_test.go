package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// report is what the child found out about itself.
type report struct {
	Tier    string            `json:"tier"`
	Status  map[string]string `json:"status"`  // of /proc/self/status
	Errors  map[string]string `json:"errors"`  // attempt → error; empty when it succeeded
	Threads []string          `json:"threads"` // Seccomp and NoNewPrivs of every thread
	Limits  map[string]uint64 `json:"limits"`
	Args    []string          `json:"args"`
	Death   int32             `json:"death"` // the parent-death signal of the first thread; -1 where this is another
}

// childMain enters, seals, tries what it must not do, and prints what happened.
func childMain(args []string, reached string, inside bool) int {
	policy := Policy{OpenFiles: 100, MemoryBytes: 1 << 30, ReadPaths: []string{args[2]}}
	if !inside && args[3] != "stage2" {
		fmt.Fprintln(os.Stderr, Enter(policy, args, []string{"KEPT=yes"}))
		return 1
	}
	runtime.LockOSThread()
	death := int32(-1)
	if unix.Gettid() == unix.Getpid() {
		_ = unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&death)), 0, 0, 0)
	}
	// A thread that is there before the filter, and one that starts after it.
	early, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	thread := func(started chan struct{}) {
		runtime.LockOSThread()
		close(started)
		<-release
	}
	wg.Go(func() { thread(early) })
	<-early
	tier, err := Seal(reached)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	late := make(chan struct{})
	wg.Go(func() { thread(late) })
	<-late

	r := report{Tier: string(tier), Status: map[string]string{}, Errors: attempts(args[2]), Limits: map[string]uint64{}, Args: args[4:], Death: death}
	entries, _ := os.ReadDir("/proc/self/task")
	for _, e := range entries {
		s := statusOf("/proc/self/task/" + e.Name() + "/status")
		r.Threads = append(r.Threads, s["Seccomp"]+s["NoNewPrivs"])
	}
	close(release)
	wg.Wait()
	r.Status = statusOf("/proc/self/status")
	for name, res := range map[string]int{"core": unix.RLIMIT_CORE, "fsize": unix.RLIMIT_FSIZE, "nofile": unix.RLIMIT_NOFILE, "data": unix.RLIMIT_DATA} {
		var l unix.Rlimit
		_ = unix.Getrlimit(res, &l)
		r.Limits[name] = l.Cur
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return 1
	}
	return 0
}

func statusOf(path string) map[string]string {
	data, _ := os.ReadFile(path)
	m := map[string]string{}
	for line := range strings.Lines(string(data)) {
		k, v, _ := strings.Cut(line, ":")
		m[k] = strings.TrimSpace(v)
	}
	return m
}

func attempts(dir string) map[string]string {
	out := map[string]string{}
	try := func(name string, err error) {
		if err == nil {
			out[name] = ""
			return
		}
		if e, ok := errors.AsType[syscall.Errno](err); ok {
			out[name] = unix.ErrnoName(e)
			return
		}
		out[name] = err.Error()
	}
	raw := func(name string, nr, a uintptr) {
		_, _, errno := unix.Syscall(nr, a, 0, 0)
		if errno != 0 {
			try(name, errno)
		} else {
			try(name, nil)
		}
	}
	_, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	try("socket_inet", err)
	_, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	try("socket_unix", err)
	try("exec", syscall.Exec("/bin/true", []string{"true"}, nil))
	_, err = syscall.ForkExec("/bin/true", []string{"true"}, nil)
	try("fork", err)
	raw("clone3", unix.SYS_CLONE3, 0)
	raw("io_uring", unix.SYS_IO_URING_SETUP, 1)
	raw("ptrace", unix.SYS_PTRACE, unix.PTRACE_TRACEME)
	raw("bpf", unix.SYS_BPF, 0)
	try("unshare", unix.Unshare(unix.CLONE_NEWNS))
	try("mount", unix.Mount("none", dir, "tmpfs", 0, ""))
	_, err = os.ReadFile(dir + "/given")
	try("read_given", err)
	_, err = os.ReadFile("/etc/passwd")
	try("read_other", err)
	f, err := os.Create(dir + "/made")
	try("create", err)
	if err == nil {
		_, err = f.WriteString("x")
		try("write", err)
		_ = f.Close()
	}
	return out
}
