package sandbox

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errNoLandlock says that the kernel cannot do it, which weakens the tier but stops nothing.
var errNoLandlock = errors.New("this kernel does not have it, or it is not enabled")

const (
	readRights   = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	execRights   = readRights | unix.LANDLOCK_ACCESS_FS_EXECUTE
	deviceRights = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	// writeRights are for plain files and folders only: no devices, sockets or links can be made.
	writeRights = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR
	// fileRights are those that make sense for something that is not a folder; the kernel refuses others for it.
	fileRights = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
)

// handled is everything that the rules of a given interface version can refuse. Later versions add to it.
func handled(abi int) unix.LandlockRulesetAttr {
	a := unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1}
	if abi >= 2 {
		a.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= 3 {
		a.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 4 {
		a.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if abi >= 5 {
		a.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if abi >= 6 {
		a.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	return a
}

type rule struct {
	path   string
	access uint64
}

// rulesFor lists what stays reachable: the program itself, the system's libraries, facts about the machine, and what the
// policy names.
func rulesFor(p Policy, self string) []rule {
	rules := []rule{{self, execRights}}
	for _, dir := range []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"} {
		rules = append(rules, rule{dir, execRights})
	}
	for _, path := range []string{
		"/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat",
		"/proc/sys/vm/overcommit_memory", "/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/fs/cgroup",
		"/sys/kernel/mm/transparent_hugepage", "/dev/urandom", "/dev/random", "/dev/zero",
	} {
		rules = append(rules, rule{path, readRights})
	}
	for _, path := range p.ExecPaths {
		rules = append(rules, rule{path, execRights})
	}
	for _, path := range p.ReadPaths {
		rules = append(rules, rule{path, readRights})
	}
	for _, path := range p.WritePaths {
		rules = append(rules, rule{path, readRights | writeRights})
	}
	for _, path := range append([]string{"/dev/null"}, p.Devices...) {
		rules = append(rules, rule{path, deviceRights | readRights})
	}
	return rules
}

// kernel is Landlock's side of the kernel, so that what is asked of it can be tested where there is none.
type kernel interface {
	version() int // 0: there is no Landlock
	create(unix.LandlockRulesetAttr) (ruleset int, err error)
	add(ruleset int, attr unix.LandlockPathBeneathAttr) error
	restrict(ruleset int) error
}

// restrictFiles puts the calling thread under Landlock. Paths that do not exist are left out.
func restrictFiles(k kernel, rules []rule) error {
	abi := k.version()
	if abi < 1 {
		return errNoLandlock
	}
	attr := handled(abi)
	ruleset, err := k.create(attr)
	if err != nil {
		return fmt.Errorf("create the Landlock rules: %w", err)
	}
	defer func() { _ = unix.Close(ruleset) }()
	for _, r := range rules {
		if err := addRule(k, ruleset, r, attr.Handled_access_fs); err != nil {
			return fmt.Errorf("allow %s in Landlock: %w", r.path, err)
		}
	}
	if err := k.restrict(ruleset); err != nil {
		return fmt.Errorf("enter Landlock: %w", err)
	}
	return nil
}

func addRule(k kernel, ruleset int, r rule, mask uint64) error {
	fd, err := unix.Open(r.path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EACCES) {
		return nil // what is not there, or was not reachable before, needs no rule
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	access := r.access & mask
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= fileRights
	}
	return k.add(ruleset, unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}) //nolint:gosec // a descriptor fits
}

// realKernel makes the three system calls.
type realKernel struct{}

func (realKernel) version() int {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(abi)
}

func (realKernel) create(attr unix.LandlockRulesetAttr) (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0) //nolint:gosec // the call takes a pointer
	return int(fd), orNil(errno)
}

func (realKernel) add(ruleset int, attr unix.LandlockPathBeneathAttr) error {
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0) //nolint:gosec // the call takes a pointer
	return orNil(errno)
}

func (realKernel) restrict(ruleset int) error {
	_, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(ruleset), 0, 0)
	return orNil(errno)
}

func orNil(errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}
