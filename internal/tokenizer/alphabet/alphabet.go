// Package alphabet is the table by which byte-level vocabularies write bytes as printable characters: a byte that prints in
// Latin-1 stands for itself, the others for the characters from U+0100 on, in order (from the code of GPT-2).
package alphabet

import "unicode/utf8"

// shifted is how many bytes do not stand for themselves.
const shifted = 68

// Rune returns the character of a byte.
func Rune(b byte) rune {
	switch {
	case b <= ' ':
		return 0x100 + rune(b)
	case b <= '~':
		return rune(b)
	case b <= 0xa0:
		return 0x100 + 33 + rune(b-0x7f)
	case b == 0xad:
		return 0x100 + shifted - 1
	}
	return rune(b)
}

// Byte returns the byte of a character.
func Byte(r rune) (byte, bool) {
	switch {
	case r >= 0x100 && r < 0x100+33:
		return byte(r - 0x100), true
	case r >= 0x100+33 && r < 0x100+shifted-1:
		return byte(r - 0x100 - 33 + 0x7f), true
	case r == 0x100+shifted-1:
		return 0xad, true
	case r > ' ' && r <= '~', r > 0xa0 && r <= 0xff && r != 0xad:
		return byte(r & 0xff), true
	}
	return 0, false
}

// Encode writes bytes as characters.
func Encode(s string) string {
	out := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		out = utf8.AppendRune(out, Rune(s[i]))
	}
	return string(out)
}

// Decode is the way back. It says no where a character is none of the alphabet.
func Decode(s string) (string, bool) {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		b, ok := Byte(r)
		if !ok {
			return "", false
		}
		out = append(out, b)
	}
	return string(out), true
}
