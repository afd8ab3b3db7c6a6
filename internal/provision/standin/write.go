package standin

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"
)

// The layout follows the System V ABI, chapter 5 (sections, dynamic linking), and the symbol versions of the Linux Standard
// Base, chapter 10.7. One part is read and executed, one is read and written.

const (
	pageSize   = 0x1000
	headerSize = 64
	phSize     = 56
	phCount    = 4
	shSize     = 64
	symSize    = 24
	dynSize    = 16
	objectSize = 64 // bytes of a piece of data; what is never looked at needs no more
	hashSeed   = 0x0fffffff

	verFlagBase = 1
	verDefSize  = 20
	verAuxSize  = 8
)

// refuse is `mov $999, %eax; ret`: 999 is the vendor's code for an unknown error.
func refuse() []byte { return []byte{0xb8, 0xe7, 0x03, 0x00, 0x00, 0xc3} }

// Write makes a shared library for x86-64 Linux with that name and those symbols.
func Write(library string, symbols []Symbol) ([]byte, error) {
	if len(symbols) > 1<<16 {
		return nil, fmt.Errorf("%s would have %d symbols", library, len(symbols))
	}
	w := &writer{library: library, symbols: symbols, strings: []byte{0}, at: map[string]uint32{}}
	for _, s := range symbols {
		if s.Version != "" && !slices.Contains(w.versions, s.Version) {
			w.versions = append(w.versions, s.Version)
		}
	}
	return w.image(), nil
}

type writer struct {
	library  string
	symbols  []Symbol
	versions []string
	strings  []byte
	at       map[string]uint32 // where a string stands
	sections []elf.Section64
	names    []byte
	out      bytes.Buffer
}

func (w *writer) str(s string) uint32 {
	if at, ok := w.at[s]; ok {
		return at
	}
	at := uint32(len(w.strings)) //nolint:gosec // a few thousand names
	w.strings = append(append(w.strings, s...), 0)
	w.at[s] = at
	return at
}

// section puts bytes at the next multiple of 16 and notes where; addresses are offsets in the file.
func (w *writer) section(name string, kind elf.SectionType, flags elf.SectionFlag, link, info uint32, entry uint64, data []byte) uint64 {
	for w.out.Len()%16 != 0 {
		w.out.WriteByte(0)
	}
	at := uint64(w.out.Len()) //nolint:gosec // far below
	w.out.Write(data)
	addr := at
	if flags&elf.SHF_ALLOC == 0 {
		addr = 0
	}
	w.sections = append(w.sections, elf.Section64{
		Name: uint32(len(w.names)), Type: uint32(kind), Flags: uint64(flags), Addr: addr, Off: at, Size: uint64(len(data)), //nolint:gosec // a few hundred bytes of names
		Link: link, Info: info, Addralign: 16, Entsize: entry,
	})
	w.names = append(append(w.names, name...), 0)
	return at
}

// Numbers of the sections, in the order in which image writes them; 0 is the empty one.
const (
	sectionText = iota + 1
	sectionSymbols
	sectionStrings
	sectionHash
	sectionVersions
	sectionDefinitions
	sectionData
	sectionDynamic
	sectionNames
	sectionCount
)

func (w *writer) image() []byte {
	w.sections, w.names = []elf.Section64{{}}, []byte{0}
	w.out.Write(make([]byte, headerSize+phSize*phCount))
	soname := w.str(w.library)
	for _, s := range w.symbols {
		w.str(s.Name)
	}
	for _, v := range w.versions {
		w.str(v)
	}
	text := w.section(".text", elf.SHT_PROGBITS, elf.SHF_ALLOC|elf.SHF_EXECINSTR, 0, 0, 0, refuse())
	// Where the data will be is known once everything before it has its length; the symbols' own length is fixed.
	symbolsAt := w.section(".dynsym", elf.SHT_DYNSYM, elf.SHF_ALLOC, sectionStrings, 1, symSize, make([]byte, symSize*(1+len(w.symbols))))
	stringsAt := w.section(".dynstr", elf.SHT_STRTAB, elf.SHF_ALLOC, 0, 0, 0, w.strings)
	hashAt := w.section(".hash", elf.SHT_HASH, elf.SHF_ALLOC, sectionSymbols, 0, 4, w.hashes())
	versionsAt := w.section(".gnu.version", elf.SHT_GNU_VERSYM, elf.SHF_ALLOC, sectionSymbols, 0, 2, w.versionOfEach())
	definitions := w.definitions()
	definitionsAt := w.section(".gnu.version_d", elf.SHT_GNU_VERDEF, elf.SHF_ALLOC, sectionStrings, uint32(1+len(w.versions)), 0, definitions) //nolint:gosec // few
	for w.out.Len()%pageSize != 0 {
		w.out.WriteByte(0)
	}
	readEnd := uint64(w.out.Len()) //nolint:gosec // far below
	dataAt := w.section(".data", elf.SHT_PROGBITS, elf.SHF_ALLOC|elf.SHF_WRITE, 0, 0, 0, make([]byte, objectSize))
	dynamic := w.dynamic([][2]uint64{
		{uint64(elf.DT_SONAME), uint64(soname)},
		{uint64(elf.DT_HASH), hashAt},
		{uint64(elf.DT_STRTAB), stringsAt},
		{uint64(elf.DT_SYMTAB), symbolsAt},
		{uint64(elf.DT_STRSZ), uint64(len(w.strings))},
		{uint64(elf.DT_SYMENT), symSize},
		{uint64(elf.DT_VERSYM), versionsAt},
		{uint64(elf.DT_VERDEF), definitionsAt},
		{uint64(elf.DT_VERDEFNUM), uint64(1 + len(w.versions))},
		{uint64(elf.DT_NULL), 0},
	})
	dynamicAt := w.section(".dynamic", elf.SHT_DYNAMIC, elf.SHF_ALLOC|elf.SHF_WRITE, sectionStrings, 0, dynSize, dynamic)
	end := uint64(w.out.Len())                                                                                           //nolint:gosec // far below
	w.section(".shstrtab", elf.SHT_STRTAB, 0, 0, 0, 0, append(slices.Clone(w.names), append([]byte(".shstrtab"), 0)...)) // its own name is in it
	for w.out.Len()%16 != 0 {
		w.out.WriteByte(0)
	}
	sectionsAt := uint64(w.out.Len()) //nolint:gosec // far below
	w.put(&w.out, w.sections)
	image := w.out.Bytes()
	w.over(image, 0, w.header(sectionsAt))
	w.over(image, headerSize, []elf.Prog64{
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Filesz: readEnd, Memsz: readEnd, Align: pageSize},
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_W), Off: readEnd, Vaddr: readEnd, Paddr: readEnd, Filesz: end - readEnd, Memsz: end - readEnd, Align: pageSize},
		{Type: uint32(elf.PT_DYNAMIC), Flags: uint32(elf.PF_R | elf.PF_W), Off: dynamicAt, Vaddr: dynamicAt, Paddr: dynamicAt, Filesz: uint64(len(dynamic)), Memsz: uint64(len(dynamic)), Align: 8},
		{Type: uint32(elf.PT_GNU_STACK), Flags: uint32(elf.PF_R | elf.PF_W), Align: 16},
	})
	w.over(image, int(symbolsAt), w.table(text, dataAt)) //nolint:gosec // an offset of this file
	return image
}

// put appends a value's bytes. The values are structs of package debug/elf and integers, which cannot fail.
func (w *writer) put(to *bytes.Buffer, v any) { _ = binary.Write(to, binary.LittleEndian, v) }

func (w *writer) over(image []byte, at int, v any) {
	var b bytes.Buffer
	w.put(&b, v)
	copy(image[at:], b.Bytes())
}

func (w *writer) header(sections uint64) elf.Header64 {
	h := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT), Phoff: headerSize, Shoff: sections,
		Ehsize: headerSize, Phentsize: phSize, Phnum: phCount, Shentsize: shSize, Shnum: sectionCount, Shstrndx: sectionNames,
	}
	copy(h.Ident[:], "\x7fELF")
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	return h
}

// table is the symbol table: all functions are one, and all data is one.
func (w *writer) table(text, data uint64) []elf.Sym64 {
	out := make([]elf.Sym64, 1, 1+len(w.symbols))
	for _, s := range w.symbols {
		sym := elf.Sym64{Name: w.str(s.Name), Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Shndx: sectionText, Value: text, Size: uint64(len(refuse()))}
		if s.Object {
			sym.Info, sym.Shndx, sym.Value, sym.Size = elf.ST_INFO(elf.STB_GLOBAL, elf.STT_OBJECT), sectionData, data, objectSize
		}
		out = append(out, sym)
	}
	return out
}

// hashes is the table of the System V ABI: number of buckets, number of chains, buckets, chains.
func (w *writer) hashes() []byte {
	n := uint32(1 + len(w.symbols)) //nolint:gosec // Write bounds it
	buckets, chains := make([]uint32, n), make([]uint32, n)
	for i, s := range w.symbols {
		at := hash(s.Name) % n
		number := uint32(i + 1)
		chains[number], buckets[at] = buckets[at], number
	}
	var b bytes.Buffer
	w.put(&b, append(append([]uint32{n, n}, buckets...), chains...))
	return b.Bytes()
}

// hash is the function of the System V ABI, figure 5-13.
func hash(name string) uint32 {
	h := uint32(0)
	for i := range len(name) {
		h = h<<4 + uint32(name[i])
		h ^= h >> 24 & 0xf0
		h &= hashSeed
	}
	return h
}

// versionOfEach is one number a symbol: 0 local, 1 none, then those of definitions.
func (w *writer) versionOfEach() []byte {
	out := []uint16{0}
	for _, s := range w.symbols {
		out = append(out, uint16(2+slices.Index(w.versions, s.Version))) //nolint:gosec // one that is not there is 1, which means none
	}
	var b bytes.Buffer
	w.put(&b, out)
	return b.Bytes()
}

// definitions are the versions: the library's own name first, as the format wants it.
func (w *writer) definitions() []byte {
	var b bytes.Buffer
	all := append([]string{w.library}, w.versions...)
	for i, name := range all {
		flags, next := uint16(0), uint32(verDefSize+verAuxSize)
		if i == 0 {
			flags = verFlagBase
		}
		if i == len(all)-1 {
			next = 0
		}
		w.put(&b, []uint16{1, flags, uint16(i + 1), 1})
		w.put(&b, []uint32{hash(name), verDefSize, next, w.str(name), 0})
	}
	return b.Bytes()
}

func (w *writer) dynamic(tags [][2]uint64) []byte {
	var b bytes.Buffer
	w.put(&b, tags)
	return b.Bytes()
}
