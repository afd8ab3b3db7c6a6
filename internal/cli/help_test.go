package cli

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestHelp holds the help of every command to testdata/help.txt.
func TestHelp(t *testing.T) {
	var got bytes.Buffer
	root := New(Deps{Stdout: &got, Stderr: &got})
	visit(t, root, &got)
	const golden = "testdata/help.txt"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the help changed (-want +got); -update writes it anew\n%s", diff)
	}
}

func visit(t *testing.T, cmd *cobra.Command, out *bytes.Buffer) {
	t.Helper()
	out.WriteString("# " + cmd.CommandPath() + " --help\n")
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if err := cmd.Help(); err != nil {
		t.Fatal(err)
	}
	out.WriteString("\n")
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			visit(t, c, out)
		}
	}
}
