// Package sandbox is what a worker process does to itself before it touches a model: it gives up, for all its threads and
// for good, the rights that a library gone wrong could misuse. It starts no process, decides nothing about what a worker
// needs (the Policy says that), and never weakens in silence: the Tier names every part that is missing and why.
//
// It works in two stages, because restrictions count per thread and a program that loads native libraries cannot apply
// them to all its threads afterwards. Enter (stage 1) runs first in main: resource limits, the parent-death signal, no_new_privs and Landlock on the
// one calling thread, then it executes the same program again, so that every later thread inherits them. Seal (stage 2)
// runs in the new program before the first library is loaded: a seccomp filter set on all threads at once, which refuses
// sockets, new processes, tracing, mounts, kernel modules and the like.
//
// Only Linux (amd64, arm64) has the stages; elsewhere the Tier says that there is none.
package sandbox

import (
	"slices"
	"strings"
)

// Policy is what a worker may still do. Zero values allow least.
type Policy struct {
	MemoryBytes int64    // private writable memory; 0: no bound
	OpenFiles   int      // descriptors; 0: no bound of its own
	ReadPaths   []string // files and folders it may read besides the system's libraries
	ExecPaths   []string // those that it may also execute
	WritePaths  []string // folders in which it may make, write, rename and delete files
	Devices     []string // device files it may read, write and control
}

// Tier says in words which parts are in force, and what is missing and why.
type Tier string

// marker is the first argument of a program that has passed stage 1. What follows its sign is what that stage reached.
const marker = "--sandboxed="

// part is one mechanism: in force, or missing with a reason.
type part struct{ name, missing string }

const (
	partSep   = ";"
	reasonSep = "!"
)

func encodeParts(parts []part) string {
	var out []string
	for _, p := range parts {
		s := p.name
		if p.missing != "" {
			s += reasonSep + strings.NewReplacer(partSep, ",", reasonSep, ".").Replace(p.missing)
		}
		out = append(out, s)
	}
	return strings.Join(out, partSep)
}

func decodeParts(s string) []part {
	var parts []part
	for item := range strings.SplitSeq(s, partSep) {
		if name, missing, _ := strings.Cut(item, reasonSep); name != "" {
			parts = append(parts, part{name: name, missing: missing})
		}
	}
	return parts
}

func tierOf(parts []part) Tier {
	var have, lack []string
	for _, p := range parts {
		if p.missing == "" {
			have = append(have, p.name)
		} else {
			lack = append(lack, "no "+p.name+": "+p.missing)
		}
	}
	s := strings.Join(have, "+")
	if s == "" {
		s = "none"
	}
	if len(lack) > 0 {
		s += " (" + strings.Join(lack, "; ") + ")"
	}
	return Tier(s)
}

// Reached says in words what stage 1 reached, for a program that does the rest itself.
func Reached(reached string) Tier { return tierOf(decodeParts(reached)) }

// Inside looks whether this program has passed stage 1. It returns the arguments as they were given to the first
// program, with the program's name first, and what stage 1 reached, for Seal.
func Inside(args []string) (rest []string, reached string, inside bool) {
	if len(args) < 2 || !strings.HasPrefix(args[1], marker) {
		return args, "", false
	}
	return slices.Delete(slices.Clone(args), 1, 2), strings.TrimPrefix(args[1], marker), true
}
