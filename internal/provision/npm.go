package provision

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// NPM takes files out of npm packages. Lock is a folder of Locks with package.json, package-lock.json, .npmrc and a
// list of sums for each platform, GOOS-GOARCH.sha256, of what is taken. No package's scripts are run.
type NPM struct {
	Locks fs.FS
	Lock  string
	From  map[string]string // platform → folder below node_modules that holds the files
}

// Check implements Source.
func (n NPM) Check(dir string) bool { return holds(dir, n.Locks, n.Lock) }

// Fetch implements Source.
func (n NPM) Fetch(ctx context.Context, t *Tools, tmp, out string) error {
	sums, text, err := pinned(n.Locks, n.Lock)
	if err != nil {
		return err
	}
	npm, err := t.Need("npm", "npm")
	if err != nil {
		return err
	}
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		b, err := fs.ReadFile(n.Locks, n.Lock+"/"+name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(tmp, name), b, 0o600); err != nil {
			return err
		}
	}
	t.Tell("fetching the packages with npm")
	if _, err := t.Run(ctx, Command{
		Path: npm, Dir: tmp, Args: []string{"ci", "--ignore-scripts", "--loglevel=error", "--no-audit", "--no-fund", "--no-update-notifier"},
	}); err != nil {
		return err
	}
	from := filepath.Join(tmp, "node_modules", filepath.FromSlash(n.From[runtime.GOOS+"/"+runtime.GOARCH]))
	for name, want := range sums {
		if err := copyFile(filepath.Join(from, name), out, name, want); err != nil {
			return err
		}
	}
	return finish(out, text)
}

func copyFile(from, out, name, want string) error {
	f, err := os.Open(from) //nolint:gosec // of the working folder
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	return take(f, out, name, want)
}
