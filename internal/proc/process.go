package proc

import (
	"context"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"ashatai/internal/core"
)

// pipeGrace is how long the output of a dead child is still read when something it started holds the pipe open.
const pipeGrace = 2 * time.Second

// Spec says what to start. The child gets exactly what stands here.
type Spec struct {
	Path    string    // absolute path of the program; nothing is searched
	Args    []string  // arguments after the program's name
	Env     []string  // the whole environment, "KEY=value"; nil is an empty one
	Dir     string    // working folder; empty is the root of the file system
	Channel bool      // give the child one end of a private two-way channel, see Inherited
	Limits  Limits    // what the kernel holds the child to
	Stdout  io.Writer // nil discards; ignored on Windows where Channel takes it
	Stderr  io.Writer // nil discards
}

// Limits bound a child. Zero means: no bound of its own.
type Limits struct {
	MemoryBytes int64 // private writable memory; mapped files do not count
	OpenFiles   int   // descriptors
	FileBytes   int64 // largest file it may write; negative: it may not write any
}

// Process is one running or ended child.
type Process struct {
	pid     int
	channel io.ReadWriteCloser
	done    chan struct{}

	mu     sync.Mutex
	over   bool // the child has ended; its number may be somebody else's soon
	killed bool
	exit   Exit
}

// Start starts a child. The context bounds the start alone: the child goes on when it ends. The caller waits for the
// child with Wait or Done, and closes Channel. Errors are CodeUnavailable with a sentence.
func Start(ctx context.Context, spec Spec) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, core.AsError(err)
	}
	if _, err := os.Stat(spec.Path); err != nil {
		return nil, core.Wrap(core.CodeUnavailable, err, "The program %s cannot be started because it is missing or unreadable; install it again.", spec.Path)
	}
	cmd := &exec.Cmd{
		Path: spec.Path, Args: append([]string{spec.Path}, spec.Args...), Env: append([]string{}, spec.Env...), Dir: spec.Dir,
		Stdout: spec.Stdout, Stderr: spec.Stderr, SysProcAttr: attributes(), WaitDelay: pipeGrace,
	}
	if cmd.Dir == "" {
		cmd.Dir = rootDir
	}
	p := &Process{done: make(chan struct{})}
	release := func() {}
	if spec.Channel {
		var err error
		if p.channel, release, err = openChannel(cmd); err != nil {
			return nil, core.Wrap(core.CodeUnavailable, err, "The channel to %s could not be made; the system may be out of descriptors.", spec.Path)
		}
	}
	started := make(chan error, 1)
	go p.run(cmd, spec.Limits, started)
	err := <-started
	release()
	if err != nil {
		if p.channel != nil {
			_ = p.channel.Close()
		}
		return nil, core.Wrap(core.CodeUnavailable, err, "The program %s could not be started; check that it is executable and made for this machine.", spec.Path)
	}
	return p, nil
}

// run starts the child and waits for it on one locked thread. The parent-death signal is sent when the thread that
// started the child ends, not the process: this thread lives exactly as long as the child.
func (p *Process) run(cmd *exec.Cmd, limits Limits, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	kills := outOfMemoryKills()
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	p.pid = cmd.Process.Pid
	if err := limit(p.pid, limits); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		started <- err
		return
	}
	started <- nil

	if awaitExit(p.pid) {
		// The child is dead but not reaped, so its number still names its group: what it left behind ends here.
		p.mu.Lock()
		_ = killPid(p.pid)
		p.over = true
		p.mu.Unlock()
	}
	_ = cmd.Wait() // the state below says more than this error

	p.mu.Lock()
	p.over = true
	p.exit = exitOf(cmd.ProcessState)
	p.exit.Killed = p.killed
	p.exit.OutOfMemory = !p.killed && p.exit.Signal == "SIGKILL" && claimed.one(kills, outOfMemoryKills())
	p.mu.Unlock()
	close(p.done)
}

// claims are the kernel's kills for memory that were found to be a child's: one kill is that of one child, and another one that a SIGKILL
// ends later was ended by somebody else.
type claims struct {
	mu   sync.Mutex
	upTo uint64
}

//nolint:gochecknoglobals // the kernel's count is one for all children of this process
var claimed claims

// one reports whether there was a kill between two counts that no other child's end is known to be, and takes it.
func (c *claims) one(before, after uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	before = max(before, c.upTo)
	if after <= before {
		return false
	}
	c.upTo = before + 1
	return true
}

// Pid is the child's process number.
func (p *Process) Pid() int { return p.pid }

// Channel is this side's end of the private channel; nil where the Spec did not ask for one. The caller closes it.
func (p *Process) Channel() io.ReadWriteCloser { return p.channel }

// Done is closed when the child has ended and its output has been read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the child's end and says how it ended.
func (p *Process) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-p.done:
		return p.Exit(), nil
	case <-ctx.Done():
		return Exit{}, core.AsError(ctx.Err())
	}
}

// Exit is how the child ended; it counts when Done is closed.
func (p *Process) Exit() Exit {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exit
}

// Signal sends a signal to the child. A child that has ended is no error.
func (p *Process) Signal(sig os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil
	}
	return signalOne(p.pid, sig)
}

// Kill ends the child and everything in its process group at once. A child that has ended is no error.
func (p *Process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil
	}
	p.killed = true
	return killPid(p.pid)
}
