package sandbox

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeKernel remembers what is asked of it.
type fakeKernel struct {
	abi        int
	fail       string
	attr       unix.LandlockRulesetAttr
	allowed    map[string]uint64 // path → rights
	restricted bool
}

func (k *fakeKernel) version() int { return k.abi }

func (k *fakeKernel) create(attr unix.LandlockRulesetAttr) (int, error) {
	k.attr, k.allowed = attr, map[string]uint64{}
	if k.fail == "create" {
		return 0, unix.EINVAL
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	return unix.Dup(int(f.Fd()))
}

func (k *fakeKernel) add(_ int, attr unix.LandlockPathBeneathAttr) error {
	if k.fail == "add" {
		return unix.EINVAL
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", attr.Parent_fd))
	k.allowed[path] = attr.Allowed_access
	return err
}

func (k *fakeKernel) restrict(int) error {
	if k.fail == "restrict" {
		return unix.EPERM
	}
	k.restricted = true
	return nil
}

func TestLandlockAllowsOnlyWhatIsNamed(t *testing.T) {
	dir := t.TempDir()
	file := dir + "/model"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for abi := 1; abi <= 6; abi++ {
		k := &fakeKernel{abi: abi}
		rules := rulesFor(Policy{ReadPaths: []string{dir, file, dir + "/missing", file + "/below"}, Devices: []string{"/dev/zero"}}, file)
		if err := restrictFiles(k, rules); err != nil || !k.restricted {
			t.Fatalf("version %d: %v, restricted %v", abi, err, k.restricted)
		}
		if got := k.allowed[dir]; got != readRights {
			t.Errorf("version %d: the folder has rights %#x", abi, got)
		}
		if got := k.allowed[file]; got != unix.LANDLOCK_ACCESS_FS_READ_FILE {
			t.Errorf("version %d: the file has rights %#x", abi, got)
		}
		if got := k.allowed["/dev/zero"]; got != deviceRights&k.attr.Handled_access_fs {
			t.Errorf("version %d: the device has rights %#x", abi, got)
		}
		for path, rights := range k.allowed {
			if rights&^k.attr.Handled_access_fs != 0 {
				t.Errorf("version %d: %s has rights %#x that are not handled", abi, path, rights)
			}
			if rights&unix.LANDLOCK_ACCESS_FS_WRITE_FILE != 0 && !slices.Contains([]string{"/dev/null", "/dev/zero"}, path) {
				t.Errorf("version %d: %s may be written", abi, path)
			}
		}
	}
}

func TestLandlockFailuresAreTold(t *testing.T) {
	if err := restrictFiles(&fakeKernel{}, nil); !errors.Is(err, errNoLandlock) {
		t.Errorf("no Landlock: %v", err)
	}
	for _, step := range []string{"create", "add", "restrict"} {
		k := &fakeKernel{abi: 1, fail: step}
		if err := restrictFiles(k, []rule{{os.DevNull, readRights}}); err == nil || errors.Is(err, errNoLandlock) {
			t.Errorf("%s fails: %v", step, err)
		}
	}
}

func TestRealKernelRefusesABadRuleset(t *testing.T) {
	k := realKernel{}
	if v := k.version(); (v > 0) != hasLandlock() {
		t.Errorf("version %d", v)
	}
	if err := k.add(-1, unix.LandlockPathBeneathAttr{}); err == nil {
		t.Error("a rule was added to no ruleset")
	}
	if err := k.restrict(-1); err == nil {
		t.Error("no ruleset was entered")
	}
	if _, err := k.create(unix.LandlockRulesetAttr{}); err == nil {
		t.Error("an empty ruleset was made")
	}
}

func TestLimits(t *testing.T) {
	got := map[int]uint64{}
	for _, l := range limitsOf(Policy{MemoryBytes: 5, OpenFiles: 7}) {
		got[l.resource] = l.value
	}
	if len(got) != 4 || got[unix.RLIMIT_DATA] != 5 || got[unix.RLIMIT_NOFILE] != 7 || got[unix.RLIMIT_CORE] != 0 || got[unix.RLIMIT_FSIZE] != 0 {
		t.Errorf("limits %v", got)
	}
	if n := len(limitsOf(Policy{})); n != 2 {
		t.Errorf("%d limits for an empty policy", n)
	}
	// Core files are the one limit that may be set in the test's own process.
	if err := setLimits(limitsOf(Policy{})[:1]); err != nil {
		t.Error(err)
	}
	if err := setLimits([]limit{{"nothing", 9999, 0}}); err == nil {
		t.Error("an unknown limit was set")
	}
}
