//go:build !unix

package guide

import (
	"testing"
	"time"
)

var began = time.Now()

// worked is the time that has passed; what this process had of it is not asked here.
func worked(*testing.T) time.Duration { return time.Since(began) }
