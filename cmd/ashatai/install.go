package main

import (
	"context"
	"os"
	"path/filepath"

	"ashatai/internal/cli/runtimes"
	"ashatai/internal/node/datadir"
	"ashatai/internal/node/record"
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

// install puts what a runtime needs into the installed tree of this program, and keeps that in the record of a home.
func install(ctx context.Context, name string, o runtimes.Options, tell func(string)) (runtimes.Installed, error) {
	opt, err := options(o.Home, "", "", nil)
	if err != nil {
		return runtimes.Installed{}, err
	}
	if o.Python != "" {
		if o.Python, err = filepath.Abs(o.Python); err != nil {
			return runtimes.Installed{}, err
		}
	}
	var done provision.Result
	a := record.Own("runtime install")
	a.Kind, a.Object = "runtime", name
	err = datadir.Recorded(ctx, opt.Settings, a, func(ctx context.Context) (string, error) {
		done, err = provision.New(provision.Config{
			Share: filepath.Join(filepath.Dir(filepath.Dir(opt.Program)), "share", "ashatai"), Env: os.Environ(), Python: o.Python, Tell: tell,
		}).Install(ctx, name)
		return "", err
	})
	return runtimes.Installed(done), err
}
