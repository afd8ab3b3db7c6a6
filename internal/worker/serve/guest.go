package serve

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"ashatai/internal/engine"
	"ashatai/internal/worker/wire"
)

// guestOf finds the program that serves the launch's runtime, where it is another one that can be started.
func guestOf(launch wire.Launch, opt Options) (engine.Program, bool) {
	for _, rt := range opt.Runtimes {
		if g, ok := rt.(engine.Guest); ok && canBecome && rt.Descriptor().Name == launch.Runtime {
			p, err := g.Program()
			return p, err == nil // what is wrong with it, the runtime itself says when it is asked
		}
	}
	return engine.Program{}, false
}

// guestArgs are the arguments of such a program, with its name first.
func guestArgs(p engine.Program, launch wire.Launch, tier string, filter []byte, opt Options) ([]string, error) {
	var d []byte
	for _, rt := range opt.Runtimes {
		if rt.Descriptor().Name == launch.Runtime {
			var err error
			if d, err = json.Marshal(wire.Descriptor(rt.Descriptor())); err != nil {
				return nil, err
			}
		}
	}
	args := []string{p.Path}
	for _, a := range p.Args {
		args = append(args, strings.ReplaceAll(a, engine.BundleArg, bundlePath))
	}
	return append(args, "--build="+opt.Build, "--tier="+tier, "--filter="+hex.EncodeToString(filter), "--descriptor="+string(d),
		"--heartbeat-ms="+strconv.FormatFloat(float64(launch.Heartbeat.Microseconds())/1000, 'f', -1, 64)), nil
}
