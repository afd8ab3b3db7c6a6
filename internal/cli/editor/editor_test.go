package editor

import (
	"errors"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	k := &keys{in: strings.NewReader("ab\x03\x03cd")}
	p := make([]byte, 10)
	for _, want := range []struct {
		text string
		err  error
	}{{"ab", nil}, {"", ErrInterrupt}, {"", ErrInterrupt}, {"cd", nil}} {
		n, err := k.Read(p)
		if string(p[:n]) != want.text || !errors.Is(err, want.err) {
			t.Errorf("%q, %v; want %q, %v", p[:n], err, want.text, want.err)
		}
	}
	if _, err := k.Read(p); err == nil {
		t.Error("no end")
	}
}
