package rpc

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ashatai/internal/core"
)

// code is the status of a failure. As over HTTP, what the same call would meet again is not UNAVAILABLE, which clients try again.
func code(c core.Code) codes.Code {
	switch c {
	case core.CodeInvalidRequest, core.CodeContextExceeded:
		return codes.InvalidArgument
	case core.CodeUnsupported, core.CodeMethod:
		return codes.Unimplemented
	case core.CodeUnauthenticated:
		return codes.Unauthenticated
	case core.CodeForbidden:
		return codes.PermissionDenied
	case core.CodeNotFound, core.CodeModelNotFound:
		return codes.NotFound
	case core.CodeConflict, core.CodeBadModel, core.CodeQuarantined:
		return codes.FailedPrecondition
	case core.CodeTooLarge, core.CodeRateLimited, core.CodeQueueFull, core.CodeOutOfMemory, core.CodeDiskFull:
		return codes.ResourceExhausted
	case core.CodeCancelled:
		return codes.Canceled
	case core.CodeDeadline:
		return codes.DeadlineExceeded
	case core.CodeWorkerDied, core.CodeUnavailable, core.CodeDraining:
		return codes.Unavailable
	case core.CodeInternal:
	}
	return codes.Internal
}

// failure is what a handler failed with. Those of the library have a status of their own.
func failure(err error) error {
	s, ok := status.FromError(err)
	if err == nil || !ok {
		return err
	}
	switch s.Code() { //nolint:exhaustive // the rest is a defect here
	case codes.Unimplemented:
		return core.Errorf(core.CodeMethod, "%s", s.Message())
	case codes.InvalidArgument:
		return core.Errorf(core.CodeInvalidRequest, "%s", s.Message())
	case codes.NotFound:
		return core.Errorf(core.CodeNotFound, "%s", s.Message())
	}
	return err
}
