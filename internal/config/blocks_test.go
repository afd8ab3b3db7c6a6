package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheDocumentedBlocks: what README and the manuals show of settings is taken as it stands.
func TestTheDocumentedBlocks(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range strings.Split(string(text), "```yaml\n")[1:] {
			yaml, _, _ := strings.Cut(b, "```")
			shown++
			var credentials []string
			if strings.Contains(yaml, "bucket:") { // whose credentials the manual wants in the environment
				credentials = []string{"ASHATAI__BLOBS__ACCESS_KEY=a", "ASHATAI__BLOBS__SECRET_KEY=s"}
			}
			if s := mustLoad(t, map[string]string{"ashatai.yaml": yaml}, credentials, nil); len(s.Notices) != 0 {
				t.Errorf("%s: block %d: %v", file, i+1, s.Notices)
			}
		}
	}
	if shown < 10 {
		t.Errorf("%d blocks were found", shown)
	}
}
