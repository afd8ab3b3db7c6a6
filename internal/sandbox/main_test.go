package sandbox

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain also plays the sandboxed child: the suites start the test binary again as a program of their own.
func TestMain(m *testing.M) {
	if rest, reached, inside := Inside(os.Args); len(rest) > 1 && rest[1] == childFlag {
		os.Exit(childMain(rest, reached, inside))
	}
	goleak.VerifyTestMain(m)
}

// childFlag makes the test binary a child; the arguments after it are the policy and the act.
const childFlag = "--sandbox-test-child"
