// Package standin writes small shared libraries that take the place of libraries of NVIDIA's, so that a program that was built
// for both a CPU and a GPU can be loaded on a machine that has no GPU and none of those libraries. Every function of a
// stand-in returns an error code and nothing else. It changes no file that is there.
package standin

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ashatai/internal/core"
)

// Symbol is something that a stand-in must export.
type Symbol struct {
	Name    string
	Version string // empty: none
	Object  bool   // data, not a function
}

// vendor says whether a library is one of those that stand-ins are for; any other that is missing is missing.
func vendor(library string) bool {
	for _, p := range []string{"libcu", "libnccl", "libnv"} {
		if strings.HasPrefix(library, p) {
			return true
		}
	}
	return false
}

// ours says whether a symbol without a version is one of a vendor's library.
func ours(symbol string) bool {
	for _, p := range []string{"cu", "nccl", "nv"} {
		if strings.HasPrefix(symbol, p) {
			return true
		}
	}
	return false
}

// Make writes into dir the stand-ins that the libraries in dir need: those of the vendor's that are neither in dir nor anywhere
// below root. The libraries must be for x86-64.
func Make(dir, root string) error {
	needs, err := read(dir, root)
	if err != nil {
		return err
	}
	for _, library := range needs.missing {
		symbols := needs.symbols[library]
		image, err := Write(library, symbols)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, library), image, 0o755); err != nil { //nolint:gosec // a library is executable, for everybody
			return err
		}
	}
	return nil
}

// needs are what a folder of libraries lacks.
type needs struct {
	missing []string            // libraries
	symbols map[string][]Symbol // by library
}

func read(dir, root string) (needs, error) {
	n := needs{symbols: map[string][]Symbol{}}
	there, err := libraries(root)
	if err != nil {
		return n, err
	}
	own, err := filepath.Glob(filepath.Join(dir, "*.so*"))
	if err != nil || len(own) == 0 {
		return n, core.Wrap(core.CodeUnavailable, err, "The folder %s holds no libraries.", dir)
	}
	provided := map[string]bool{}
	var loose []Symbol // those without a version
	for _, paths := range there {
		for _, path := range paths {
			if err := n.file(path, there, filepath.Dir(path) == dir, provided, &loose); err != nil {
				return n, err
			}
		}
	}
	slices.Sort(n.missing)
	if len(n.missing) == 0 {
		return n, nil
	}
	// A symbol without a version is found in whichever library is loaded, so all of them go into one.
	last := n.missing[len(n.missing)-1]
	for _, s := range loose {
		if !provided[s.Name] {
			n.add(last, s)
		}
	}
	return n, nil
}

// libraries finds all below a folder, by name.
func libraries(root string) (map[string][]string, error) {
	out := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.Contains(d.Name(), ".so") && d.Type().IsRegular() {
			out[d.Name()] = append(out[d.Name()], path)
		}
		return err
	})
	return out, err
}

// file looks at one library: what it provides and, where it is one of those to be served, what it needs.
func (n *needs) file(path string, there map[string][]string, served bool, provided map[string]bool, loose *[]Symbol) error {
	f, err := elf.Open(path)
	if bad, ok := errors.AsType[*elf.FormatError](err); ok && bad != nil || errors.Is(err, io.EOF) {
		return nil // a script for a linker, or something else that only has the name
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	defer f.Close() //nolint:errcheck // read only
	symbols, err := f.DynamicSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if served {
		if f.Machine != elf.EM_X86_64 {
			return core.Errorf(core.CodeUnsupported, "%s is not for x86-64, and stand-ins are written for that alone.", path)
		}
		list, err := f.ImportedLibraries()
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		for _, l := range list {
			if vendor(l) && there[l] == nil && !slices.Contains(n.missing, l) {
				n.missing = append(n.missing, l)
			}
		}
	}
	for _, s := range symbols {
		n.symbol(s, there, served, provided, loose)
	}
	return nil
}

// symbol looks at one that a library defines or needs.
func (n *needs) symbol(s elf.Symbol, there map[string][]string, served bool, provided map[string]bool, loose *[]Symbol) {
	sym := Symbol{Name: s.Name, Version: s.Version, Object: elf.ST_TYPE(s.Info) == elf.STT_OBJECT}
	switch {
	case s.Section != elf.SHN_UNDEF:
		provided[s.Name] = true
	case !served || elf.ST_BIND(s.Info) == elf.STB_WEAK:
	case s.Library != "":
		if vendor(s.Library) && there[s.Library] == nil {
			n.add(s.Library, sym)
		}
	case s.Version == "" && ours(s.Name):
		*loose = append(*loose, sym)
	}
}

func (n *needs) add(library string, s Symbol) {
	if !slices.Contains(n.symbols[library], s) {
		n.symbols[library] = append(n.symbols[library], s)
	}
}
