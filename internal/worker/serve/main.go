package serve

import (
	"context"
	"errors"
	"log/slog"

	"ashatai/internal/proc"
	"ashatai/internal/sandbox"
	"ashatai/internal/worker/wire"
)

// Main is a worker program from its first line to its exit code: sandbox, channel, service. args are the program's
// arguments with its name. On Linux the first call does not return when all goes well; the program starts again inside the
// sandbox.
func Main(ctx context.Context, args []string, opt Options) int {
	rest, reached, inside := sandbox.Inside(args)
	if len(rest) == 0 {
		return wire.ExitUsage
	}
	launch, err := wire.ParseLaunch(rest[1:])
	if err != nil {
		opt.Log.ErrorContext(ctx, "this program is started by the server; its arguments are wrong", slog.String("error", err.Error()))
		return wire.ExitUsage
	}
	// Before the sandbox, which forbids writing files: standard error of a program started by hand may be one.
	if err := proc.CheckInherited(); err != nil {
		opt.Log.ErrorContext(ctx, "there is no channel to the server", slog.String("error", err.Error()))
		return wire.ExitUsage
	}
	guest, handover := guestOf(launch, opt)
	if !inside {
		if handover {
			if err := carryBundle(guest.Bundle); err != nil {
				opt.Log.ErrorContext(ctx, "the program for this runtime could not be handed over", slog.String("error", err.Error()))
				return wire.ExitFailed
			}
		}
		err := sandbox.Enter(sandbox.Policy{
			MemoryBytes: launch.MemoryBytes, OpenFiles: launch.OpenFiles, ReadPaths: append(launch.ReadPaths, guest.Read...),
			ExecPaths: guest.Execute, WritePaths: launch.WritePaths, Devices: launch.Devices,
		}, args, opt.Env)
		if !errors.Is(err, errors.ErrUnsupported) {
			opt.Log.ErrorContext(ctx, "the sandbox could not be entered", slog.String("error", err.Error()))
			return wire.ExitFailed
		}
	}
	if handover && inside {
		err := become(guest, launch, reached, opt)
		opt.Log.ErrorContext(ctx, "the program for this runtime could not be started", slog.String("error", err.Error()))
		return wire.ExitFailed
	}
	conn, err := proc.Inherited()
	if err != nil {
		opt.Log.ErrorContext(ctx, "there is no channel to the server", slog.String("error", err.Error()))
		return wire.ExitUsage
	}
	tier, err := sandbox.Seal(reached)
	if err != nil {
		// The tier says so in hello, where the server and its doctor see it.
		opt.Log.WarnContext(ctx, "the system call filter is missing", slog.String("error", err.Error()))
	}
	return Run(ctx, conn, launch, string(tier), opt)
}
