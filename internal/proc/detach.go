package proc

import (
	"context"
	"os"
	"os/exec"

	"ashatai/internal/core"
)

// Detach starts a program that outlives this one: in a session of its own, with no input, and with its output appended to
// the file log. Channel, Limits, Stdout and Stderr of the spec are not looked at. Errors are CodeUnavailable.
func Detach(ctx context.Context, spec Spec, log string) error {
	if err := ctx.Err(); err != nil {
		return core.AsError(err)
	}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // the caller's own log file
	if err != nil {
		return core.Wrap(core.CodeUnavailable, err, "The log file %s cannot be written.", log)
	}
	defer out.Close() //nolint:errcheck // the child has its own copy
	cmd := &exec.Cmd{
		Path: spec.Path, Args: append([]string{spec.Path}, spec.Args...), Env: append([]string{}, spec.Env...), Dir: spec.Dir,
		Stdout: out, Stderr: out, SysProcAttr: detached(),
	}
	if cmd.Dir == "" {
		cmd.Dir = rootDir
	}
	if err := cmd.Start(); err != nil {
		return core.Wrap(core.CodeUnavailable, err, "The program %s cannot be started; see %s.", spec.Path, log)
	}
	if err := cmd.Process.Release(); err != nil {
		return core.Wrap(core.CodeUnavailable, err, "The program %s cannot be let go.", spec.Path)
	}
	return nil
}
