package alphabet

import "testing"

func TestAllBytesThereAndBack(t *testing.T) {
	seen := map[rune]bool{}
	var all []byte
	for i := range 256 {
		r := Rune(byte(i))
		if b, ok := Byte(r); !ok || b != byte(i) || seen[r] {
			t.Errorf("byte %d is %q, which is byte %d", i, r, b)
		}
		seen[r] = true
		all = append(all, byte(i))
	}
	for b, want := range map[byte]rune{' ': 'Ġ', '\n': 'Ċ', 'a': 'a', 0x7f: 'ġ', 0xa0: 'ł', 0xad: 'Ń', 0xff: 'ÿ'} {
		if r := Rune(b); r != want {
			t.Errorf("byte %#x is %q, want %q", b, r, want)
		}
	}
	if s, ok := Decode(Encode(string(all))); !ok || s != string(all) {
		t.Errorf("all bytes come back as %q", s)
	}
	if _, ok := Decode("a b"); ok {
		t.Error("a plain space is no character of the alphabet")
	}
}
