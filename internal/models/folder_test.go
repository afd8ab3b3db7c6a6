package models

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/savedmodel/savedmodeltest"
)

// TestSavedModelFolder: a folder with a SavedModel is a model by the folder's name; one that is refused says why, and goes
// away as a whole.
func TestSavedModelFolder(t *testing.T) {
	models := t.TempDir()
	bad := savedmodeltest.Linear()
	bad.Nodes = append(bad.Nodes, savedmodeltest.Node{Name: "r", Op: "ReadFile"})
	for name, g := range map[string]savedmodeltest.Graph{"linear": savedmodeltest.Linear(), "bad": bad} {
		if err := os.MkdirAll(filepath.Join(models, name, "variables"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(models, name, "saved_model.pb"), savedmodeltest.Model(g), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(models)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close() //nolint:errcheck // read only
	for name, wantErr := range map[string]string{"linear": "", "bad": "ReadFile"} {
		main := mainOf(root, name)
		file, err := root.Open(filepath.Join(name, main))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close() //nolint:errcheck,revive // read only, to the end of the test
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		man, err := factsOf(root, name+"/"+main, file, info.Size())
		switch {
		case wantErr != "":
			if core.CodeOf(err) != core.CodeBadModel || !strings.Contains(err.Error(), wantErr) {
				t.Errorf("%s: %v", name, err)
			}
		case err != nil || man.Format != "savedmodel" || len(man.Capabilities) != 1 || man.Capabilities[0] != core.CapTensors:
			t.Errorf("%s: %+v, %v", name, man, err)
		}
	}
	if mainOf(root, "nowhere") != "" || folderOr("a/saved_model.pb") != "a" || folderOr("saved_model.pb") != "saved_model.pb" || folderOr("a.gguf") != "a.gguf" {
		t.Error("folders and files")
	}
}
