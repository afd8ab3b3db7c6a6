//go:build unix

package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"ashatai/internal/rawio"
)

const (
	rootDir   = "/"
	channelFD = 3
)

// openChannel makes a socket pair and gives one end to the child as descriptor 3. release closes this process's copy of
// the child's end.
func openChannel(cmd *exec.Cmd) (io.ReadWriteCloser, func(), error) {
	// The lock keeps a child that starts between the two calls from inheriting the ends.
	syscall.ForkLock.RLock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	// Only this end is non-blocking: a child in another language finds an ordinary blocking socket.
	err = unix.SetNonblock(fds[0], true)
	own, peer := os.NewFile(uintptr(fds[0]), "channel"), os.NewFile(uintptr(fds[1]), "channel-peer")
	if err != nil {
		_, _ = own.Close(), peer.Close()
		return nil, nil, fmt.Errorf("set non-blocking: %w", err)
	}
	cmd.ExtraFiles = []*os.File{peer}
	return rawio.File(own), func() { _ = peer.Close() }, nil
}

// CheckInherited says whether this program was given a channel, and changes nothing.
func CheckInherited() error {
	var st unix.Stat_t
	if err := unix.Fstat(channelFD, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return errors.New("descriptor 3 is not a socket: this program is started by the server and not by hand")
	}
	return nil
}

// Inherited opens the child's end of the channel in a child that was started with Spec.Channel. Call it once.
func Inherited() (io.ReadWriteCloser, error) {
	if err := CheckInherited(); err != nil {
		return nil, err
	}
	unix.CloseOnExec(channelFD)
	if err := unix.SetNonblock(channelFD, true); err != nil {
		return nil, fmt.Errorf("set descriptor 3 non-blocking: %w", err)
	}
	return rawio.File(os.NewFile(channelFD, "channel")), nil
}

func exitOf(state *os.ProcessState) Exit {
	e := Exit{Code: -1}
	if state == nil {
		return e
	}
	e.Code = state.ExitCode()
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal = unix.SignalName(ws.Signal())
	}
	return e
}

func signalOne(pid int, sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("signal %v is not one of this system", sig)
	}
	return gone(unix.Kill(pid, s))
}

// killPid ends the whole process group of a child.
func killPid(pid int) error { return gone(unix.Kill(-pid, unix.SIGKILL)) }

// gone makes a signal to nobody no error.
func gone(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// detached puts a program into a session of its own, away from this one's terminal.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
