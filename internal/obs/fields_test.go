package obs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestFieldsOfTheCode reads every file of the server: an attribute that it logs is in the list, and its name is a constant, so that it
// can be read here; and what is in the list is logged somewhere.
func TestFieldsOfTheCode(t *testing.T) {
	known, found := Fields(), map[string]bool{"time": true, "level": true, "msg": true}
	makers := []string{"String", "Int", "Int64", "Uint64", "Float64", "Bool", "Time", "Duration", "Any", "Group"}
	files, calls := token.NewFileSet(), 0
	for _, root := range []string{"../../internal", "../../cmd"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || len(call.Args) < 2 || !slices.Contains(makers, sel.Sel.Name) {
					return true
				}
				if pkg, ok := sel.X.(*ast.Ident); !ok || pkg.Name != "slog" {
					return true
				}
				calls++
				lit, ok := call.Args[0].(*ast.BasicLit)
				if !ok {
					t.Errorf("%s: the name of an attribute is no constant text", files.Position(call.Pos()))
					return true
				}
				name, _ := strconv.Unquote(lit.Value)
				found[name] = true
				if !slices.Contains(known, name) {
					t.Errorf("%s: the attribute %q is not in Fields, so it is not logged; add it there if it can hold no text of a user and no secret", files.Position(call.Pos()), name)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if calls < 100 {
		t.Errorf("only %d attributes were found", calls)
	}
	for _, f := range known {
		if !found[f] {
			t.Errorf("%q is in Fields and nothing logs it", f)
		}
	}
}
