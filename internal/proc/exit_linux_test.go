package proc

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
)

// python finds a Python to play a child: that of the tests, or the system's.
func python(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("ASHATAI_TEST_PYTHON"); path != "" {
		return path
	}
	for _, path := range []string{"/usr/bin/python3", "/usr/local/bin/python3"} {
		if _, err := exec.LookPath(path); err == nil {
			return path
		}
	}
	t.Skip("no Python here")
	return ""
}

// TestExitClassesOfNativeCode: what glibc, C++ and Python themselves do when they end a process, in real ones.
func TestExitClassesOfNativeCode(t *testing.T) {
	program := python(t)
	const c = "import ctypes as c, faulthandler as f, os, sys\nlibc = c.CDLL(None)\nlibc.malloc.restype = c.c_void_p\nlibc.free.argtypes = [c.c_void_p]\n"
	for name, act := range map[string]struct {
		code  string
		env   []string
		class Class
		says  string // empty: any
	}{
		"a segmentation fault that Python tells of": {c + "f.enable()\nc.string_at(1)", nil, ClassSignal, "signal SIGSEGV: Fatal Python error: Segmentation fault"},
		"a segmentation fault":                      {c + "c.string_at(1)", nil, ClassSignal, "signal SIGSEGV"},
		"abort":                                     {c + "libc.abort()", nil, ClassSignal, "signal SIGABRT"},
		"an abort that Python tells of":             {c + "f.enable()\nos.abort()", nil, ClassSignal, "signal SIGABRT: Fatal Python error: Aborted"},
		"memory that is freed twice":                {c + "p = libc.malloc(2000)\nlibc.malloc(2000)\nlibc.free(p)\nlibc.free(p)", nil, ClassSignal, "signal SIGABRT: "},
		"std::terminate":                            {c + "c.CDLL('libstdc++.so.6')['_ZSt9terminatev']()", nil, ClassSignal, "signal SIGABRT: terminate called without an active exception"},
		"std::bad_alloc":                            {c + "c.CDLL('libstdc++.so.6')['_ZSt17__throw_bad_allocv']()", nil, ClassOutOfMemory, "terminate called after throwing an instance of 'std::bad_alloc'"},
		"an exception":                              {c + "raise ValueError('odd')", nil, ClassPanic, "ValueError: odd"},
		"memory that an allocator refuses":          {c + "b = bytearray(1 << 60)", nil, ClassOutOfMemory, "MemoryError"},
		"memory that was refused long ago":          {c + "try: bytearray(1 << 60)\nexcept MemoryError:\n  import traceback; traceback.print_exc()\nlibc.abort()", nil, ClassSignal, "signal SIGABRT"},
		"a Python that cannot begin":                {"", []string{"PYTHONHOME=/nowhere"}, ClassPanic, "Fatal Python error: "},
		"an exit code":                              {"raise SystemExit(3)", nil, ClassFailed, "exit code 3"},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(act.code, "libstdc++") {
				if out, err := exec.CommandContext(t.Context(), program, "-c", "import ctypes\nctypes.CDLL('libstdc++.so.6')").CombinedOutput(); err != nil {
					t.Skipf("no libstdc++ here: %s", out)
				}
			}
			tail := NewTail(32 << 10)
			p, err := Start(t.Context(), Spec{Path: program, Args: []string{"-c", act.code}, Env: act.env, Stderr: tail})
			if err != nil {
				t.Fatal(err)
			}
			e := wait(t, p)
			got, detail := e.Classify(tail.String())
			t.Logf("%s: %s", got, detail)
			if got != act.class || !strings.HasPrefix(detail, act.says) {
				t.Errorf("exit %+v, stderr:\n%s", e, tail)
			}
		})
	}
}

func TestMemoryKills(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	vmstat := file("pgfault 9\noom_kill 41\n")
	for name, c := range map[string]struct {
		root fstest.MapFS
		want uint64
	}{
		"nothing is known": {fstest.MapFS{}, 0},
		"the machine":      {fstest.MapFS{"proc/vmstat": vmstat}, 41},
		"a group": {fstest.MapFS{
			"proc/vmstat": vmstat, "proc/self/cgroup": file("0::/system.slice/ashatai.service\n"),
			"sys/fs/cgroup/system.slice/ashatai.service/memory.events": file("low 0\nhigh 0\nmax 7\noom 2\noom_kill 2\noom_group_kill 0\n"),
		}, 2},
		"a group of version 1": {fstest.MapFS{
			"proc/vmstat": vmstat, "proc/self/cgroup": file("5:memory:/docker/x\n1:cpu:/docker/x\n0::/\n"),
			"sys/fs/cgroup/memory/docker/x/memory.oom_control": file("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
		}, 3},
		"the root group": {fstest.MapFS{"proc/vmstat": vmstat, "proc/self/cgroup": file("0::/\n")}, 41},
	} {
		if got := memoryKills(c.root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestClaims: two children that the kernel kills at once are both told as that, and one that somebody else kills later is not.
func TestClaims(t *testing.T) {
	var c claims
	for i, s := range []struct {
		before, after uint64
		want          bool
	}{{5, 5, false}, {5, 7, true}, {5, 7, true}, {5, 7, false}, {7, 7, false}, {7, 8, true}} {
		if got := c.one(s.before, s.after); got != s.want {
			t.Errorf("%d: %v", i, got)
		}
	}
}
