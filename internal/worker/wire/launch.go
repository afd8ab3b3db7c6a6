package wire

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Launch is what a worker is told by its arguments, because it needs it before it can read a frame.
type Launch struct {
	Runtime     string        // name of the one runtime it serves
	Heartbeat   time.Duration // interval between heartbeats
	MemoryBytes int64         // bound on private writable memory; 0: none
	OpenFiles   int           // bound on descriptors; 0: none
	ReadPaths   []string      // what it may read
	WritePaths  []string      // folders in which it may write
	Devices     []string      // device files it may use
}

// Bounds of the interval between heartbeats.
const (
	MinHeartbeat = 10 * time.Millisecond
	MaxHeartbeat = time.Minute
)

// Args writes the launch as arguments.
func (l Launch) Args() []string {
	args := []string{"--runtime=" + l.Runtime, "--heartbeat=" + l.Heartbeat.String()}
	if l.MemoryBytes > 0 {
		args = append(args, "--memory="+strconv.FormatInt(l.MemoryBytes, 10))
	}
	if l.OpenFiles > 0 {
		args = append(args, "--open-files="+strconv.Itoa(l.OpenFiles))
	}
	for _, p := range l.ReadPaths {
		args = append(args, "--read="+p)
	}
	for _, p := range l.WritePaths {
		args = append(args, "--write="+p)
	}
	for _, p := range l.Devices {
		args = append(args, "--device="+p)
	}
	return args
}

// ParseLaunch reads the arguments (without the program's name) that Args wrote.
func ParseLaunch(args []string) (Launch, error) {
	var l Launch
	list := func(to *[]string) func(string) error {
		return func(s string) error {
			*to = append(*to, s)
			return nil
		}
	}
	fs := flag.NewFlagSet("worker", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&l.Runtime, "runtime", "", "")
	fs.DurationVar(&l.Heartbeat, "heartbeat", time.Second, "")
	fs.Int64Var(&l.MemoryBytes, "memory", 0, "")
	fs.IntVar(&l.OpenFiles, "open-files", 0, "")
	fs.Func("read", "", list(&l.ReadPaths))
	fs.Func("write", "", list(&l.WritePaths))
	fs.Func("device", "", list(&l.Devices))
	if err := fs.Parse(args); err != nil {
		return Launch{}, err
	}
	switch {
	case fs.NArg() > 0:
		return Launch{}, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case l.Runtime == "":
		return Launch{}, errors.New("--runtime is missing")
	case l.Heartbeat < MinHeartbeat || l.Heartbeat > MaxHeartbeat:
		return Launch{}, fmt.Errorf("--heartbeat is %s; it must be between %s and %s", l.Heartbeat, MinHeartbeat, MaxHeartbeat)
	case l.MemoryBytes < 0 || l.OpenFiles < 0:
		return Launch{}, errors.New("--memory and --open-files must not be negative")
	}
	return l, nil
}
