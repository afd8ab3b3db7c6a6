package cli

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/client"
	"ashatai/internal/cli/human"
	"ashatai/internal/cli/progress"
	"ashatai/internal/cli/screen"
	"ashatai/internal/core"
	"ashatai/internal/modelfile"
)

type createRequest struct {
	Name     string        `json:"name"`
	From     string        `json:"from,omitempty"`
	SHA256   string        `json:"sha256,omitempty"`
	System   string        `json:"system,omitempty"`
	Template string        `json:"template,omitempty"`
	License  string        `json:"license,omitempty"`
	Defaults core.Sampling `json:"parameters"`
	Stop     []string      `json:"stop,omitempty"`
	Window   int           `json:"window,omitempty"`
	Messages []core.Turn   `json:"messages,omitempty"`
}

func (a *app) create() *cobra.Command {
	var flags serverFlags
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a model of another one, or of a GGUF file, with changes",
		Long: "Make a model as a Modelfile says. Its instructions are\n\n" +
			"  FROM NAME or PATH        an installed model, a GGUF file, or a folder that holds one\n" +
			"  SYSTEM TEXT              the system prompt where a caller gives none\n" +
			"  TEMPLATE TEXT            the chat template, in Jinja\n" +
			"  PARAMETER NAME VALUE     temperature, top_k, top_p, min_p, typical_p, repeat_penalty, repeat_last_n,\n" +
			"                           presence_penalty, frequency_penalty, seed, stop, num_ctx\n" +
			"  MESSAGE ROLE TEXT        a turn of system, user or assistant that every conversation begins with\n" +
			"  LICENSE TEXT\n\n" +
			"A text of several lines stands between \"\"\" and \"\"\". Paths are relative to the Modelfile's folder; the file is sent to\n" +
			"the server unless it is there. `ashatai show NAME --modelfile` writes such a file.",
		Example: "  ashatai create poet -f ./Modelfile\n  ashatai show smollm2:135m --modelfile | ashatai create mine -f -",
		Args:    oneArg("the name of the new model"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd, flags)
			if err != nil {
				return err
			}
			file, folder, err := a.readModelfile(cmd, path)
			if err != nil {
				return err
			}
			show := progress.Of(a.out, a.err)
			if asJSON {
				show = progress.JSON{W: a.out}
			}
			for _, n := range file.Notes {
				a.err.Printf("%s %s\n", a.err.Yellow("note:"), screen.Plain(n))
			}
			req := createRequest{
				Name: args[0], From: file.From, System: file.System, Template: file.Template, License: file.License,
				Defaults: file.Defaults, Stop: file.Stop, Window: file.Window, Messages: file.Messages,
			}
			gguf, err := basis(cmd, file, folder)
			if err != nil {
				return err
			}
			if gguf != "" {
				req.From = ""
				if req.SHA256, err = c.Upload(cmd.Context(), gguf, show); err != nil {
					return err
				}
			}
			return c.Follow(cmd.Context(), "/api/v1/create", req, show)
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVarP(&path, "file", "f", "Modelfile", "the Modelfile's `PATH`; - reads standard input")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the progress as lines of JSON")
	return cmd
}

// readModelfile reads the file that a flag names, and returns the folder that paths in it start from.
func (a *app) readModelfile(cmd *cobra.Command, path string) (f *modelfile.File, folder string, err error) {
	in := a.in
	folder = "."
	if path != "-" {
		folder = filepath.Dir(path)
		file, err := os.Open(path) //nolint:gosec // the user's own file
		if err != nil {
			return nil, "", usage(cmd, "The Modelfile %q cannot be read: %s. Name another one with -f.", path, client.Reason(err))
		}
		defer func() { _ = file.Close() }() // only read
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, modelfile.MaxBytes+1))
	if err != nil {
		return nil, "", usage(cmd, "The Modelfile %q cannot be read: %s.", path, client.Reason(err))
	}
	if f, err = modelfile.Parse(string(text)); err != nil {
		return nil, "", err
	}
	return f, folder, nil
}

// basis is the path of the GGUF file that FROM names, or nothing where it names an installed model.
func basis(cmd *cobra.Command, f *modelfile.File, folder string) (string, error) {
	path := f.From
	if !filepath.IsAbs(path) {
		path = filepath.Join(folder, path)
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Mode().IsRegular():
		return path, nil
	case err == nil && info.IsDir() && looksLikePath(f.From):
		return onlyModel(cmd, f, path)
	case looksLikePath(f.From):
		if err == nil {
			err = errors.New("it is no regular file")
		}
		return "", usage(cmd, "Line %d of the Modelfile: FROM names the file %q, which cannot be used: %s.", f.FromLine, path, client.Reason(err))
	}
	return "", nil
}

// looksLikePath tells a path from the name of a model where there is no such file.
func looksLikePath(s string) bool {
	return filepath.IsAbs(s) || strings.HasPrefix(s, ".") || strings.HasPrefix(s, "~") || strings.HasSuffix(s, "/") ||
		strings.HasSuffix(strings.ToLower(s), ".gguf") || strings.ContainsRune(s, filepath.Separator) && filepath.Separator != '/'
}

// onlyModel finds the one GGUF file of a folder.
func onlyModel(cmd *cobra.Command, f *modelfile.File, folder string) (string, error) {
	found, err := filepath.Glob(filepath.Join(folder, "*.gguf"))
	if err == nil && len(found) == 1 {
		return found[0], nil
	}
	hint := ""
	if other, _ := filepath.Glob(filepath.Join(folder, "*.safetensors")); len(found) == 0 && len(other) > 0 { // the pattern is good
		hint = " Weights in safetensors have to be converted to GGUF first."
	}
	return "", usage(cmd, "Line %d of the Modelfile: the folder %q holds %s; FROM needs one of them.%s", f.FromLine, folder, human.Plural(len(found), "GGUF file"), hint)
}

func (a *app) cp() *cobra.Command {
	var flags serverFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cp SOURCE DESTINATION",
		Short: "Make a second model of the same file",
		Long: "Make a second model of the same file. It takes no more space, has its own settings from then on, and stays when the\n" +
			"first is removed. `ashatai alias` gives a model another name that is nothing but a name.",
		Example: "  ashatai cp smollm2:135m team/helper:v1",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 || args[0] == "" || args[1] == "" {
				return usage(cmd, "`%s` wants the name of a model and the new name.", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd, flags)
			if err != nil {
				return err
			}
			var done struct {
				Model modelSummary `json:"model"`
			}
			raw, err := c.Call(cmd.Context(), http.MethodPost, "/api/v1/copy", map[string]string{"source": args[0], "destination": args[1]}, &done)
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.out.Raw(raw)
			}
			a.out.Printf("Copied %s to %s.\n", screen.Plain(args[0]), screen.Plain(done.Model.Name))
			return nil
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	cmd.ValidArgsFunction = a.completeModels(&flags, 1)
	return cmd
}

// modelfileOf is what `show --modelfile` writes of an answer.
func modelfileOf(m modelDetail) string {
	f := modelfile.Of(&core.Manifest{
		Name: m.Name, System: m.System, Template: m.Template, License: m.License,
		Stop: m.Stop, Window: m.Window, Messages: m.Messages, Defaults: m.Sampling,
	})
	return "# To make a model like this one, change the next lines, and run `ashatai create NAME -f THIS_FILE`.\n" + f.Text()
}
