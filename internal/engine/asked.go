package engine

import (
	"context"

	"ashatai/internal/core"
)

// Asked is a request in its caller's own words, for runtimes that render, sample and read answers themselves: servers
// elsewhere. What the caller left open is open here too, so that the other server's own defaults count.
type Asked struct {
	Messages     []core.Message // a conversation; nil: the prompt is what is continued
	Continue     bool           // the answer goes on from the last message
	Tools        []core.Tool
	ToolChoice   core.ToolChoice
	Thinking     core.Thinking
	Format       core.Format
	Sampling     core.Sampling
	TemplateArgs map[string]any
}

// FaultKind says how a server elsewhere failed a request.
type FaultKind string

// The kinds of fault.
const (
	FaultBusy    FaultKind = "busy"    // it works and takes no more now
	FaultDown    FaultKind = "down"    // it cannot be reached, refuses this server, or answers with errors or garbage
	FaultHung    FaultKind = "hung"    // it said nothing for too long
	FaultBroken  FaultKind = "broken"  // its answer had begun and did not come to its end
	FaultFailed  FaultKind = "failed"  // it said in words that it failed, before its answer began: the request may be why
	FaultStopped FaultKind = "stopped" // the same in the midst of its answer
)

// FaultError is the failure of a server elsewhere, and not of the request: another server may do what this one did not
// begin. Err is what the caller is told when nobody does.
type FaultError struct {
	Kind FaultKind
	Err  *core.Error
}

// Error implements error.
func (f *FaultError) Error() string { return string(f.Kind) + ": " + f.Err.Error() }

// Unwrap returns the error for the caller.
func (f *FaultError) Unwrap() error { return f.Err }

// Begun reports whether some of the answer was handed out.
func (f *FaultError) Begun() bool { return f.Kind == FaultBroken || f.Kind == FaultStopped }

// Sick reports whether the fault speaks against the server, and not only against its load or the request.
func (f *FaultError) Sick() bool {
	switch f.Kind {
	case FaultBusy, FaultFailed, FaultStopped:
		return false
	case FaultDown, FaultHung, FaultBroken:
	}
	return true
}

// Doubtful reports whether the request may be at fault: another server is asked once, and not all of them.
func (f *FaultError) Doubtful() bool { return f.Kind == FaultFailed }

// Checker is what a model elsewhere may also be: Check asks its server whether it would serve now.
type Checker interface {
	Check(ctx context.Context) error
}
