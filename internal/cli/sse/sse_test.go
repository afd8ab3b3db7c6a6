package sse

import (
	"bufio"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func collect(t *testing.T, in string) ([]string, error) {
	t.Helper()
	var got []string
	for data, err := range Events(iotest.OneByteReader(strings.NewReader(in))) {
		if err != nil {
			return got, err
		}
		got = append(got, string(data))
	}
	return got, nil
}

func TestEvents(t *testing.T) {
	in := ": comment\n\nevent: x\ndata: one\n\ndata:two\r\ndata:  three\r\n\r\nid: 4\n\ndata\n\ndata: unfinished\n"
	got, err := collect(t, in)
	if diff := cmp.Diff([]string{"one", "two\n three", ""}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, err := range Events(strings.NewReader("data: " + strings.Repeat("x", maxEvent) + "\n\n")) {
		if !errors.Is(err, bufio.ErrTooLong) {
			t.Errorf("a long line: %v", err)
		}
	}
	half := "data: " + strings.Repeat("x", maxEvent/2) + "\n"
	n := 0
	for _, err := range Events(strings.NewReader(half + half + half + "\n")) {
		n++
		if !errors.Is(err, bufio.ErrTooLong) {
			t.Errorf("a long event: %v", err)
		}
	}
	if n != 1 {
		t.Errorf("%d events", n)
	}
	for range Events(strings.NewReader("data: a\n\ndata: b\n\n")) {
		break // a reader may stop
	}
}

// TestEventsSurvive holds the reader to what a writer of the format sends, however the bytes are cut.
func TestEventsSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.StringMatching(`[a-zA-Z0-9{}":, é\n]*`)).Draw(t, "events")
		var in strings.Builder
		for _, data := range want {
			for line := range strings.SplitSeq(data, "\n") {
				in.WriteString("data: " + line + "\n")
			}
			in.WriteString("\n")
		}
		var got []string
		for data, err := range Events(iotest.HalfReader(strings.NewReader(in.String()))) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(data))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}
