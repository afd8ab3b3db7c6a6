package sandbox

import (
	"encoding/binary"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data of linux/seccomp.h; both architectures are little-endian, so the low half comes first.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArg0   = 16
)

const (
	errnoMask = 0xffff
	// x32Bit marks calls of the x32 interface, which has numbers of its own for some of what is refused.
	x32Bit = 0x40000000
)

// refused answers EPERM: networks, programs and processes, other processes' memory, the system's shape.
func refused() []uint32 {
	return append([]uint32{
		unix.SYS_SOCKET, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4,
		unix.SYS_EXECVE, unix.SYS_EXECVEAT,
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
		unix.SYS_PROCESS_MADVISE,
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE,
		unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
		unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT,
		unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
		unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
		unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL,
		unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_SYSLOG,
	}, refusedHere()...)
}

// absent answers ENOSYS, because callers then take an older way: clone3 hides its flags from the filter, and libraries
// probe for io_uring.
func absent() []uint32 {
	return []uint32{unix.SYS_CLONE3, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER}
}

// program is the filter. Everything that it does not name is allowed: a list of what native libraries need would break
// with each of their releases.
func program() ([]unix.SockFilter, error) {
	if auditArch == 0 {
		return nil, fmt.Errorf("there is no filter for %s", runtime.GOARCH)
	}
	prog := []unix.SockFilter{
		load(offsetArch),
		jumpIf(unix.BPF_JEQ, auditArch, 1, 0),
		ret(unix.SECCOMP_RET_KILL_PROCESS),
		load(offsetNumber),
		jumpIf(unix.BPF_JGE, x32Bit, 0, 1),
		ret(unix.SECCOMP_RET_KILL_PROCESS),
	}
	for _, nr := range absent() {
		prog = append(prog, jumpIf(unix.BPF_JEQ, nr, 0, 1), fail(unix.ENOSYS))
	}
	for _, nr := range refused() {
		prog = append(prog, jumpIf(unix.BPF_JEQ, nr, 0, 1), fail(unix.EPERM))
	}
	// Threads are clones with CLONE_THREAD; processes are not.
	return append(prog,
		jumpIf(unix.BPF_JEQ, unix.SYS_CLONE, 0, 3),
		load(offsetArg0),
		jumpIf(unix.BPF_JSET, unix.CLONE_THREAD, 1, 0),
		fail(unix.EPERM),
		ret(unix.SECCOMP_RET_ALLOW),
	), nil
}

// Filter is the filter as the kernel takes it, for a program that sets it itself: eight bytes an instruction.
func Filter() ([]byte, error) {
	prog, err := program()
	var out []byte
	for _, f := range prog {
		out = binary.LittleEndian.AppendUint16(out, f.Code)
		out = append(out, f.Jt, f.Jf)
		out = binary.LittleEndian.AppendUint32(out, f.K)
	}
	return out, err
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func jumpIf(op uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, K: k, Jt: yes, Jf: no}
}

func ret(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }

func fail(errno unix.Errno) unix.SockFilter {
	return ret(unix.SECCOMP_RET_ERRNO | uint32(errno&errnoMask))
}
