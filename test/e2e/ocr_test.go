package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// letters are drawn on five by seven dots.
var letters = map[rune][7]string{
	'H': {"#...#", "#...#", "#...#", "#####", "#...#", "#...#", "#...#"},
	'E': {"#####", "#....", "#....", "####.", "#....", "#....", "#####"},
	'L': {"#....", "#....", "#....", "#....", "#....", "#....", "#####"},
	'T': {"#####", "..#..", "..#..", "..#..", "..#..", "..#..", "..#.."},
	'O': {".###.", "#...#", "#...#", "#...#", "#...#", "#...#", ".###."},
}

// picture draws black text on white, with dots of so many pixels, its upper left corner at x and y. It returns three planes of colour as
// numbers from −1 to 1.
func picture(text string, dot, width, height, x, y int) []float32 {
	plane := make([]float32, width*height)
	for i := range plane {
		plane[i] = 1
	}
	for i, c := range []rune(text) {
		for row, line := range letters[c] {
			for column, ink := range line {
				if ink != '#' {
					continue
				}
				left, top := x+(i*7+column)*dot, y+row*dot
				for p := range dot * dot {
					plane[(top+p/dot)*width+left+p%dot] = -1
				}
			}
		}
	}
	return append(append(append([]float32{}, plane...), plane...), plane...)
}

// numbers is the only output of an answer.
func numbers(t *testing.T, out outputs) []float32 {
	t.Helper()
	for _, o := range out {
		var v []float32
		if err := json.Unmarshal(o.Data, &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	t.Fatal("there is no output")
	return nil
}

// TestReading: models whose inputs have any size find where a picture has text, and read it.
func TestReading(t *testing.T) {
	bin, from := given(t, "ASHATAI_TEST_BIN"), given(t, "ASHATAI_TEST_OCR")
	home := t.TempDir()
	installed(t, from, filepath.Join(home, "models"))
	addr := siteIn(t, bin, home)
	for _, size := range [][2]int{{256, 96}, {320, 160}} { // of one model, one after the other
		w, h := size[0], size[1]
		found := numbers(t, compute(t, addr, "find", map[string]any{"inputs": []any{tensor("x", "FP32", []int{1, 3, h, w}, picture("HELLO", 5, w, h, 40, 30))}}))
		if len(found) != w*h {
			t.Fatalf("%d by %d: a map of %d", w, h, len(found))
		}
		if text, corner := found[47*w+120], found[(h-4)*w+w-4]; text < 0.5 || corner > 0.1 {
			t.Errorf("%d by %d: text with %.3f, none with %.3f", w, h, text, corner)
		}
	}
	b, err := os.ReadFile(filepath.Join(from, "letters.txt"))
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	for text, width := range map[string]int{"HELLO": 192, "HOTEL": 256} {
		row := numbers(t, compute(t, addr, "read", map[string]any{"inputs": []any{tensor("x", "FP32", []int{1, 3, 48, width}, picture(text, 5, width, 48, 8, 6))}}))
		if got := decoded(row, known); got != text {
			t.Errorf("%s is read as %q", text, got)
		}
	}
}

// decoded takes the best letter of each column; none comes first, and one that stays is one (Graves et al. 2006, CTC).
func decoded(row []float32, known []string) string {
	var out strings.Builder
	width, last := len(known)+2, 0 // none, the letters, a space
	for ; len(row) >= width; row = row[width:] {
		best := 0
		for i, p := range row[:width] {
			if p > row[best] {
				best = i
			}
		}
		if best != last && best > 0 && best <= len(known) {
			out.WriteString(known[best-1])
		}
		last = best
	}
	return out.String()
}
