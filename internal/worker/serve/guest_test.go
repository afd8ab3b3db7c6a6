package serve

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/mock"
	"ashatai/internal/worker/wire"
)

// visitor is a runtime that another program serves.
type visitor struct {
	engine.Runtime

	err error
}

func (visitor) Descriptor() engine.Descriptor {
	return engine.Descriptor{Name: "visitor", Title: "Visitor"}
}

func (v visitor) Program() (engine.Program, error) {
	return engine.Program{Path: "/bin/visitor", Args: []string{"-x", engine.BundleArg}}, v.err
}

func TestGuests(t *testing.T) {
	if !canBecome {
		t.Skip("on this system no program takes the place of another")
	}
	l := wire.Launch{Runtime: "visitor", Heartbeat: 1500 * time.Millisecond}
	opt := Options{Build: "b", Runtimes: []engine.Runtime{mock.New(), visitor{}}}
	p, ok := guestOf(l, opt)
	if !ok {
		t.Fatal("it was not found")
	}
	args, err := guestArgs(p, l, "some tier", []byte{0xab, 1}, opt)
	if err != nil {
		t.Fatal(err)
	}
	if args[0] != "/bin/visitor" || args[1] != "-x" || args[2] != bundlePath {
		t.Errorf("arguments %q", args)
	}
	for _, want := range []string{"--build=b", "--tier=some tier", "--filter=ab01", "--heartbeat-ms=1500"} {
		if !slices.Contains(args, want) {
			t.Errorf("%q lacks %s", args, want)
		}
	}
	i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "--descriptor=") })
	var d wire.Descriptor
	if err := json.Unmarshal([]byte(strings.TrimPrefix(args[i], "--descriptor=")), &d); err != nil || d.Title != "Visitor" {
		t.Errorf("%+v, %v", d, err)
	}
	opt.Runtimes[1] = visitor{err: core.Errorf(core.CodeUnavailable, "No.")}
	if _, ok := guestOf(l, opt); ok {
		t.Error("one that cannot be started was handed over to")
	}
	l.Runtime = "mock"
	if _, ok := guestOf(l, opt); ok {
		t.Error("a runtime of this program was handed over")
	}
}
