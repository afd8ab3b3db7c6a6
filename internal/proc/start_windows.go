package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

const rootDir = `C:\`

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{HideWindow: true} }

func awaitExit(int) bool { return false }

func limit(int, Limits) error { return nil }

func outOfMemoryKills() uint64 { return 0 }

// pipes is a two-way channel made of two pipes.
type pipes struct{ in, out *os.File }

// Read reads from the other side.
func (p pipes) Read(b []byte) (int, error) { return p.in.Read(b) }

// Write writes to the other side.
func (p pipes) Write(b []byte) (int, error) { return p.out.Write(b) }

// Close closes both pipes.
func (p pipes) Close() error { return errors.Join(p.out.Close(), p.in.Close()) }

// openChannel gives the child two pipes as its standard input and output.
func openChannel(cmd *exec.Cmd) (io.ReadWriteCloser, func(), error) {
	childIn, out, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	in, childOut, err := os.Pipe()
	if err != nil {
		_, _ = childIn.Close(), out.Close()
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	cmd.Stdin, cmd.Stdout = childIn, childOut
	return pipes{in: in, out: out}, func() { _, _ = childIn.Close(), childOut.Close() }, nil
}

// CheckInherited cannot tell here: the channel is the standard input and output, which every program has.
func CheckInherited() error { return nil }

// Inherited opens the child's end of the channel in a child that was started with Spec.Channel. Call it once; whatever
// prints to standard output goes to standard error from then on.
func Inherited() (io.ReadWriteCloser, error) {
	p := pipes{in: os.Stdin, out: os.Stdout}
	os.Stdout = os.Stderr
	return p, nil
}

func exitOf(state *os.ProcessState) Exit {
	if state == nil {
		return Exit{Code: -1}
	}
	return Exit{Code: state.ExitCode()}
}

func signalOne(pid int, _ os.Signal) error { return killPid(pid) }

func killPid(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil //nolint:nilerr // a process that is not found has ended
	}
	return p.Kill()
}

// detached cuts a program off from this one's console.
func detached() *syscall.SysProcAttr {
	const detachedProcess = 0x00000008
	return &syscall.SysProcAttr{HideWindow: true, CreationFlags: detachedProcess | syscall.CREATE_NEW_PROCESS_GROUP}
}
