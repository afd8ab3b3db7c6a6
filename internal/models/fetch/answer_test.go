package fetch

import "testing"

func FuzzParseContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-9/10", "bytes 5-9/*", "bytes */10", "bytes */*", "bytes 9-5/10", "bytes -1-5/10", "bytes 0-99999999999999999999/1", "items 0-1/2", "bytes"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, last, size, ok := parseContentRange(s)
		if first < 0 || last < 0 || size < 0 || ok && first > last {
			t.Errorf("%q: %d-%d/%d %v", s, first, last, size, ok)
		}
	})
}

func TestParseContentRange(t *testing.T) {
	t.Parallel()
	type answer struct {
		first, last, size int64
		ok                bool
	}
	for s, want := range map[string]answer{
		"bytes 5-9/10": {5, 9, 10, true}, "bytes 5-9/*": {5, 9, 0, true}, "bytes */10": {0, 0, 10, true},
		"bytes */*": {}, "bytes 9-5/10": {9, 5, 10, false}, "octets 0-1/2": {}, "": {}, "bytes 5/10": {}, "bytes 0-1": {}, "bytes 0-1/x": {},
	} {
		var got answer
		if got.first, got.last, got.size, got.ok = parseContentRange(s); got.ok != want.ok || want.ok && got != want {
			t.Errorf("%q: %v; want %v", s, got, want)
		}
	}
}
