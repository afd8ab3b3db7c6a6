package standin

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ashatai/internal/core"
)

func TestWrite(t *testing.T) {
	symbols := []Symbol{{Name: "cuOne", Version: "A"}, {Name: "cuTwo", Version: "B"}, {Name: "cuData", Version: "A", Object: true}, {Name: "cuPlain"}}
	image, err := Write("libcutest.so.7", symbols)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	if name, err := f.DynString(elf.DT_SONAME); err != nil || !slices.Equal(name, []string{"libcutest.so.7"}) {
		t.Errorf("name %v, %v", name, err)
	}
	got, err := f.DynamicSymbols()
	if err != nil || len(got) != len(symbols) {
		t.Fatalf("%v, %v", got, err)
	}
	for i, s := range got {
		want := symbols[i]
		if s.Name != want.Name || s.Version != want.Version || s.Section == elf.SHN_UNDEF || (elf.ST_TYPE(s.Info) == elf.STT_OBJECT) != want.Object {
			t.Errorf("symbol %+v, want %+v", s, want)
		}
	}
	versions, err := f.DynamicVersions()
	if err != nil || len(versions) != 3 || versions[1].Name != "A" || versions[2].Name != "B" {
		t.Errorf("versions %+v, %v", versions, err)
	}
	text, err := f.Section(".text").Data()
	if err != nil || !bytes.Equal(text, refuse()) {
		t.Errorf("code %x, %v", text, err)
	}
	if _, err := Write("x", make([]Symbol, 1<<17)); err == nil {
		t.Error("far too many symbols were written")
	}
}

// user makes a library that needs another one: a stand-in whose own name became the name of what it needs, and whose symbols
// are defined nowhere.
func user(t *testing.T, needs string, symbols []Symbol) []byte {
	t.Helper()
	image, err := Write(needs, symbols)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint64(image[f.Section(".dynamic").Offset:], uint64(elf.DT_NEEDED))
	for i := range symbols {
		at := f.Section(".dynsym").Offset + uint64(symSize*(i+1))
		binary.LittleEndian.PutUint16(image[at+6:], uint16(elf.SHN_UNDEF))
	}
	return image
}

func TestMake(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "torch", "lib")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	there, err := Write("libcuthere.so.1", []Symbol{{Name: "cuThere"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"torch/lib/liba.so": user(t, "libcugone.so.2", []Symbol{{Name: "cuGone"}, {Name: "cuThere"}, {Name: "printf"}, {Name: "cuGoneData", Object: true}}),
		"torch/lib/libb.so": user(t, "libcuthere.so.1", []Symbol{{Name: "cuGone"}}),
		"torch/lib/libc.so": user(t, "libother.so.1", nil),
		"libcuthere.so.1":   there,
		"script.so":         []byte("INPUT(-lcu)"),
	} {
		if err := os.WriteFile(filepath.Join(root, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Make(dir, root); err != nil {
		t.Fatal(err)
	}
	made, err := filepath.Glob(filepath.Join(dir, "libcu*"))
	if err != nil || len(made) != 1 || filepath.Base(made[0]) != "libcugone.so.2" {
		t.Fatalf("made %v, %v", made, err)
	}
	f, err := elf.Open(made[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range symbols {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"cuGone", "cuGoneData"}) {
		t.Errorf("it has %v", names)
	}
	if err := Make(dir, root); err != nil {
		t.Errorf("the second time: %v", err)
	}
}

func TestMakeRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := Make(dir, dir); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("an empty folder: %v", err)
	}
	if err := Make(filepath.Join(dir, "none"), filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that does not exist was served")
	}
	image := user(t, "libcu.so", nil)
	binary.LittleEndian.PutUint16(image[18:], uint16(elf.EM_AARCH64))
	if err := os.WriteFile(filepath.Join(dir, "liba.so"), image, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Make(dir, dir); core.CodeOf(err) != core.CodeUnsupported {
		t.Errorf("another processor: %v", err)
	}
}
