//go:build !linux

package serve

import (
	"errors"

	"ashatai/internal/engine"
	"ashatai/internal/worker/wire"
)

const (
	canBecome  = false
	bundlePath = ""
)

func carryBundle([]byte) error { return errors.ErrUnsupported }

func become(engine.Program, wire.Launch, string, Options) error { return errors.ErrUnsupported }
