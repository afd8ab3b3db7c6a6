package main

import (
	"context"
	"os"
	"path/filepath"

	"ashatai/internal/cli/runtimes"
	"ashatai/internal/provision"
)

// items lists what can be installed.
func items() []runtimes.Item {
	var out []runtimes.Item
	for _, r := range provision.Recipes() {
		out = append(out, runtimes.Item{Name: r.Name, Title: r.Title})
	}
	return out
}

// install puts what a runtime needs into the installed tree of this program.
func install(ctx context.Context, name, python string, tell func(string)) (runtimes.Installed, error) {
	program, err := installed()
	if err != nil {
		return runtimes.Installed{}, err
	}
	if python != "" {
		if python, err = filepath.Abs(python); err != nil {
			return runtimes.Installed{}, err
		}
	}
	done, err := provision.New(provision.Config{
		Share: filepath.Join(filepath.Dir(filepath.Dir(program)), "share", "ashatai"), Env: os.Environ(), Python: python, Tell: tell,
	}).Install(ctx, name)
	return runtimes.Installed(done), err
}
