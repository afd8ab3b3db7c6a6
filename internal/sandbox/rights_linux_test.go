package sandbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func runChild(t *testing.T, stage string, more ...string) (report, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/given", []byte("model"), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, self, append([]string{childFlag, dir, stage}, more...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the child failed: %v\n%s", err, stderr.String())
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return r, dir
}

func hasLandlock() bool {
	_, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return errno == 0
}

func TestChildGivesUpItsRights(t *testing.T) {
	t.Parallel()
	r, _ := runChild(t, "both", "kept argument", "")
	if diff := cmp.Diff([]string{"kept argument", ""}, r.Args); diff != "" {
		t.Errorf("arguments: %s", diff)
	}
	if r.Death != -1 && r.Death != int32(unix.SIGKILL) {
		t.Errorf("the parent-death signal is %d", r.Death)
	}
	for _, name := range []string{"socket_inet", "socket_unix", "exec", "fork", "ptrace", "bpf", "unshare", "mount"} {
		if r.Errors[name] != "EPERM" {
			t.Errorf("%s answered %q, want EPERM", name, r.Errors[name])
		}
	}
	for _, name := range []string{"clone3", "io_uring"} {
		if r.Errors[name] != "ENOSYS" {
			t.Errorf("%s answered %q, want ENOSYS", name, r.Errors[name])
		}
	}
	if r.Errors["read_given"] != "" {
		t.Errorf("the given file cannot be read: %s", r.Errors["read_given"])
	}
	if r.Status["NoNewPrivs"] != "1" || r.Status["Seccomp"] != "2" {
		t.Errorf("NoNewPrivs %s, Seccomp %s", r.Status["NoNewPrivs"], r.Status["Seccomp"])
	}
	if len(r.Threads) < 3 {
		t.Errorf("only %d threads were there", len(r.Threads))
	}
	for _, th := range r.Threads {
		if th != "21" {
			t.Errorf("a thread has Seccomp and NoNewPrivs %q, want 21", th)
		}
	}
	if diff := cmp.Diff(map[string]uint64{"core": 0, "fsize": 0, "nofile": 100, "data": 1 << 30}, r.Limits); diff != "" {
		t.Errorf("limits: %s", diff)
	}
}

func TestChildWritesNoFile(t *testing.T) {
	t.Parallel()
	r, dir := runChild(t, "both")
	if r.Errors["create"] == "" && r.Errors["write"] != "EFBIG" {
		t.Errorf("a file was made and writing answered %q, want EFBIG", r.Errors["write"])
	}
	if data, err := os.ReadFile(dir + "/made"); err == nil && len(data) > 0 {
		t.Errorf("the child wrote %q", data)
	}
}

func TestLandlockIsInForceOrMissed(t *testing.T) {
	t.Parallel()
	r, _ := runChild(t, "both")
	if !hasLandlock() {
		const want = "limits+no_new_privs+seccomp (no landlock: this kernel does not have it, or it is not enabled)"
		if r.Tier != want {
			t.Errorf("tier %q, want %q", r.Tier, want)
		}
		t.Skip("this kernel has no Landlock: that other files cannot be read cannot be shown here")
	}
	if want := "limits+no_new_privs+landlock+seccomp"; r.Tier != want {
		t.Errorf("tier %q, want %q", r.Tier, want)
	}
	for _, name := range []string{"create", "read_other"} {
		if r.Errors[name] != "EACCES" {
			t.Errorf("%s answered %q, want EACCES", name, r.Errors[name])
		}
	}
}

func TestSealAloneSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	r, _ := runChild(t, "stage2")
	if !strings.HasPrefix(r.Tier, "seccomp (no limits: stage 1 did not run; ") {
		t.Errorf("tier %q", r.Tier)
	}
	if r.Errors["socket_inet"] != "EPERM" {
		t.Errorf("socket answered %q", r.Errors["socket_inet"])
	}
}

func TestHandledRightsGrowWithTheKernel(t *testing.T) {
	last := handled(0)
	for abi := 1; abi <= 7; abi++ {
		a := handled(abi)
		if a.Handled_access_fs&last.Handled_access_fs != last.Handled_access_fs || a.Scoped&last.Scoped != last.Scoped {
			t.Errorf("version %d handles less than the one before", abi)
		}
		last = a
	}
	if last.Handled_access_fs&deviceRights != deviceRights {
		t.Error("the newest version does not handle devices")
	}
}

// TestFilterDecides runs the program in a small interpreter of what it uses of classic BPF.
func TestFilterDecides(t *testing.T) {
	prog, err := program()
	if err != nil {
		t.Fatal(err)
	}
	run := func(arch, nr, arg0 uint32) uint32 {
		var acc uint32
		for pc := 0; pc < len(prog); pc++ {
			in := prog[pc]
			yes := false
			switch in.Code {
			case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
				acc = map[uint32]uint32{offsetArch: arch, offsetNumber: nr, offsetArg0: arg0}[in.K]
				continue
			case unix.BPF_RET | unix.BPF_K:
				return in.K
			case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
				yes = acc == in.K
			case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
				yes = acc >= in.K
			case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
				yes = acc&in.K != 0
			default:
				t.Fatalf("instruction %d has code %#x", pc, in.Code)
			}
			if yes {
				pc += int(in.Jt)
			} else {
				pc += int(in.Jf)
			}
		}
		t.Fatal("the program ran off its end")
		return 0
	}
	eperm := unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	for _, c := range []struct {
		name                string
		arch, nr, arg, want uint32
	}{
		{"another architecture", auditArch ^ 1, unix.SYS_READ, 0, unix.SECCOMP_RET_KILL_PROCESS},
		{"x32", auditArch, x32Bit | unix.SYS_READ, 0, unix.SECCOMP_RET_KILL_PROCESS},
		{"read", auditArch, unix.SYS_READ, 0, unix.SECCOMP_RET_ALLOW},
		{"mmap", auditArch, unix.SYS_MMAP, 0, unix.SECCOMP_RET_ALLOW},
		{"socket", auditArch, unix.SYS_SOCKET, 0, eperm},
		{"thread", auditArch, unix.SYS_CLONE, unix.CLONE_THREAD | unix.CLONE_VM, unix.SECCOMP_RET_ALLOW},
		{"process", auditArch, unix.SYS_CLONE, uint32(unix.SIGCHLD), eperm},
		{"clone3", auditArch, unix.SYS_CLONE3, 0, unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
	} {
		if got := run(c.arch, c.nr, c.arg); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.name, got, c.want)
		}
	}
	for _, nr := range refused() {
		if got := run(auditArch, nr, 0); got != eperm {
			t.Errorf("call %d: %#x, want EPERM", nr, got)
		}
	}
}

// TestFilterAsBytes: another program sets what this one would.
func TestFilterAsBytes(t *testing.T) {
	prog, err := program()
	if err != nil {
		t.Skip(err)
	}
	b, err := Filter()
	if err != nil || len(b) != 8*len(prog) {
		t.Fatalf("%d bytes for %d instructions, %v", len(b), len(prog), err)
	}
	for i, want := range prog {
		in := b[8*i:]
		if got := (unix.SockFilter{Code: binary.LittleEndian.Uint16(in), Jt: in[2], Jf: in[3], K: binary.LittleEndian.Uint32(in[4:])}); got != want {
			t.Errorf("instruction %d is %+v, want %+v", i, got, want)
		}
	}
}
