package cli

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/client"
	"ashatai/internal/cli/progress"
	"ashatai/internal/cli/screen"
	"ashatai/internal/core"
)

func (a *app) pull() *cobra.Command {
	var flags serverFlags
	var req pullRequest
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "pull SOURCE",
		Short: "Install a model from a hub, a registry, a file or a URL",
		Long: "Install a model. SOURCE is one of\n\n" +
			"  hf:OWNER/REPO[:QUANT or FILE]   a repository of the hub that pull.hub names\n" +
			"  [HOST/][NAMESPACE/]NAME[:TAG]   a model of that registry, or of the one that pull.registry names\n" +
			"  oci://HOST/REPO[:TAG]           an image that holds a GGUF file\n" +
			"  PATH                            a GGUF file on the server's machine\n" +
			"  URL                             the address of a GGUF file; it needs --sha256\n\n" +
			"A name that is also a file in this folder means the file. A pull that was cut off goes on where it stopped when it is\n" +
			"started again.",
		Example: "  ashatai pull hf:owner/repo:Q4_K_M\n  ashatai pull ./model.gguf --name mymodel\n  ashatai pull https://example.com/model.gguf --sha256 0123…",
		Args:    oneArg("the name of a model, a file or a URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd, flags)
			if err != nil {
				return err
			}
			if req.Source, err = source(cmd, c, args[0]); err != nil {
				return err
			}
			if req.Detach {
				return a.detached(cmd, c, req, asJSON)
			}
			show := progress.Of(a.out, a.err)
			if asJSON {
				show = progress.JSON{W: a.out}
			}
			return c.Follow(cmd.Context(), "/api/v1/pull", req, show)
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&req.Name, "name", "", "the `name` that the model gets (default: its name in the registry, else made from the file's name)")
	cmd.Flags().StringVar(&req.SHA256, "sha256", "", "what the file's SHA-256 must be, in `hex`; a URL needs it")
	cmd.Flags().BoolVar(&req.Detach, "detach", false, "print the id of the job and let it go on alone; see ashatai job")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the progress as lines of JSON")
	return cmd
}

// detached begins a pull and prints its job's id alone.
func (a *app) detached(cmd *cobra.Command, c *client.Client, req pullRequest, asJSON bool) error {
	var p progress.Step
	raw, err := c.Call(cmd.Context(), http.MethodPost, "/api/v1/pull", req, &p)
	if err != nil {
		return err
	}
	if asJSON {
		return a.out.Raw(raw)
	}
	a.out.Printf("%s\n", screen.Plain(p.Job))
	return nil
}

// source makes a path whole, since the server does not know this program's folder.
func source(cmd *cobra.Command, c *client.Client, s string) (string, error) {
	if filepath.IsAbs(s) || named(s) {
		return s, nil
	}
	if !c.Local() {
		return "", usage(cmd, "The server %s may be on another machine, where %q means nothing. Give the whole path that the file has there, or a URL.", c.Base, s)
	}
	abs, err := filepath.Abs(s)
	if err != nil {
		return "", core.Wrap(core.CodeInvalidRequest, err, "The path %q cannot be made whole; give it from the root on.", s)
	}
	return abs, nil
}

// named tells what the server looks up from the path of a file.
func named(s string) bool {
	low := strings.ToLower(s)
	switch {
	case strings.Contains(s, "://"), strings.HasPrefix(low, "hf:"):
		return true
	case strings.HasSuffix(low, ".gguf"), strings.HasPrefix(s, "."), strings.HasPrefix(s, "~"), strings.ContainsRune(s, filepath.Separator) && filepath.Separator != '/':
		return false
	}
	fi, err := os.Stat(s)
	return err != nil || !fi.Mode().IsRegular()
}
