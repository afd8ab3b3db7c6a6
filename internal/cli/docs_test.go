package cli

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTheDocumentedCommands: what README and the manuals show of the command line is what the program has, with these flags; whole lines also
// with as many arguments.
func TestTheDocumentedCommands(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks, span, rest := regexp.MustCompile("(?ms)^ *```.*?^ *```"), regexp.MustCompile("`(ashatai [^`]+)`"), regexp.MustCompile(` +[#<>|&\\].*`)
	signed := []string{"ashatai audit 1", "ashatai audit checkpoint 1", "ashatai audit handover 1"} // how what is signed begins
	shown := 0
	for _, file := range append(files, "../../README.md", "../../CONTRIBUTING.md") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		try := func(line string, whole bool) {
			shown++
			args := strings.Fields(rest.ReplaceAllString(line, ""))[1:]
			root := New(Deps{Stdout: io.Discard, Stderr: io.Discard})
			cmd, left, err := root.Find(args)
			if err != nil {
				t.Errorf("%s: %s: %v", file, line, err)
				return
			}
			if err := cmd.ParseFlags(left); err != nil {
				t.Errorf("%s: %s: %v", file, line, err)
				return
			}
			left = cmd.Flags().Args()
			if cmd.HasSubCommands() && !cmd.Runnable() && len(left) > 0 {
				t.Errorf("%s: %s: there is no command %q", file, line, left[0])
			}
			if err := cmd.ValidateArgs(left); whole && err != nil {
				t.Errorf("%s: %s: %v", file, line, err)
			}
		}
		for _, block := range blocks.FindAllString(text, -1) {
			for line := range strings.Lines(block) {
				if line = strings.TrimSpace(line); strings.HasPrefix(line, "ashatai ") {
					try(line, true)
				}
			}
		}
		for _, m := range span.FindAllStringSubmatch(blocks.ReplaceAllString(text, ""), -1) {
			if !slices.Contains(signed, m[1]) {
				try(m[1], false)
			}
		}
	}
	if shown < 60 {
		t.Errorf("%d commands were found", shown)
	}
}
