//go:build !linux

package sandbox

import (
	"errors"
	"runtime"
)

// Enter has nothing to do here and returns an error that matches errors.ErrUnsupported; the caller goes on to Seal.
func Enter(Policy, []string, []string) error { return errors.ErrUnsupported }

// Seal has nothing to do here; the Tier says so.
func Seal(string) (Tier, error) {
	return tierOf([]part{{name: "sandbox", missing: "there is none for " + runtime.GOOS}}), nil
}
