package runtimes

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/console"
)

// Deps do what needs no server.
type Deps struct {
	Items []Item // what can be installed
	// Install brings one of them, and tells what it does line by line.
	Install func(ctx context.Context, name string, o Options, tell func(line string)) (Installed, error)
}

// Options say how something is installed.
type Options struct {
	Python string // path of the Python to use where one is needed; empty: one that it finds
	Home   string // whose record of acts tells of it; empty: the default
}

// Item is something that can be installed.
type Item struct{ Name, Title string }

// Installed says where it is now.
type Installed struct {
	Name   string `json:"name"`
	Folder string `json:"folder"`
	There  bool   `json:"there"` // it was there already
}

func install(on console.Console, deps Deps) *cobra.Command {
	var asJSON bool
	var o Options
	var long strings.Builder
	long.WriteString("Installs what a runtime needs into share/ashatai beside the program, pinned by sums, with npm or Python's pip:\n")
	for _, i := range deps.Items {
		long.WriteString("\n  " + i.Name + strings.Repeat(" ", max(1, 16-len(i.Name))) + i.Title)
	}
	cmd := &cobra.Command{
		Use: "install NAME", Short: "Install what a runtime needs", Long: long.String(), Args: on.OneArg("the name of what to install"),
		Example: "  ashatai runtime install pytorch",
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if deps.Install == nil {
			return errors.New("this program cannot install runtimes")
		}
		tell := func(line string) { on.Printf("%s\n", on.Plain(line)) }
		if asJSON {
			tell = func(string) {}
		}
		done, err := deps.Install(cmd.Context(), args[0], o, tell)
		switch {
		case err != nil:
			return err
		case asJSON:
			return on.JSON(done)
		case done.There:
			on.Printf("Nothing to do: %s is installed in %s.\n", done.Name, done.Folder)
		default:
			when := "with the next model that it loads"
			if strings.HasPrefix(done.Name, "llamacpp-") { // libraries for devices are listed once
				when = "after a restart"
			}
			on.Printf("Installed %s in %s. A server that runs finds it %s.\n", done.Name, done.Folder, when)
		}
		return nil
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, console.JSONUsage)
	cmd.Flags().StringVar(&o.Home, "home", "", "keep the act in the record of the data in `DIR` (default ~/.ashatai)")
	cmd.Flags().StringVar(&o.Python, "python", "", "make environments with the Python at `PATH` (default one of 3.11 to 3.13 that is installed)")
	return cmd
}
