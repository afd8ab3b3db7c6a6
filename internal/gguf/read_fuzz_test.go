package gguf_test

import (
	"bytes"
	"runtime"
	"testing"

	"ashatai/internal/gguf"
	"ashatai/internal/gguf/gguftest"
)

// FuzzRead holds that no bytes make Read panic, break a promise about a file that it accepts, or take memory out of
// proportion to the bytes that are there.
func FuzzRead(f *testing.F) {
	f.Add(newDraft().bytes())
	f.Add(tiny(f, gguftest.Options{Width: 32, Layers: 1, Template: "{{ x }}"}))
	for _, b := range broken {
		d := newDraft()
		b.spoil(d)
		f.Add(d.bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		file, err := gguf.Read(bytes.NewReader(b), int64(len(b)), gguf.Limits{})
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20+64*uint64(len(b)) {
			t.Errorf("%d bytes of file took %d bytes of memory", len(b), got)
		}
		if err != nil {
			checkRefusal(t, err)
			return
		}
		total := int64(0)
		for i := range file.Tensors {
			x := &file.Tensors[i]
			if x.Offset%file.Alignment != 0 || file.DataOffset+int64(x.Offset)+x.Size > int64(len(b)) || x.Size <= 0 {
				t.Errorf("the tensor %q at %d with %d bytes was accepted in a file of %d", x.Name, x.Offset, x.Size, len(b))
			}
			total += x.Size
		}
		if total != file.WeightBytes() || file.ParameterCount() <= 0 || file.KVBytesPerToken(gguf.F16, gguf.F16) < 0 || file.QuantizationName() == "" {
			t.Errorf("facts that do not fit: %d bytes, %d parameters", file.WeightBytes(), file.ParameterCount())
		}
		for e := range file.Metadata.Entries() {
			if e.Type != gguf.Array {
				continue
			}
			if ss, ok := file.Metadata.Strings(e.Key); ok != (e.Elem == gguf.String) || len(ss) > e.Len {
				t.Errorf("the strings of %q cannot be read again", e.Key)
			}
		}
	})
}
