package secrets_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/cli"
	"ashatai/internal/config"
	"ashatai/internal/node" //nolint:depguard // the real API that the commands call; in this test alone
)

// home is a folder of data that no server uses.
type home struct {
	t   *testing.T
	dir string
}

func newHome(t *testing.T, yaml string) home {
	t.Helper()
	h := home{t, t.TempDir()}
	if err := os.WriteFile(filepath.Join(h.dir, "ashatai.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

func offline(ctx context.Context, o cli.OfflineOptions) (http.RoundTripper, func() error, error) {
	s, err := config.Load(config.Sources{Home: o.Home})
	if err != nil {
		return nil, nil, err
	}
	return node.Offline(ctx, node.Options{Version: "1", Settings: s, Errors: io.Discard})
}

// run runs a command line that must end with the exit code, and print the text.
func (h home) run(code int, stdin, want string, args ...string) {
	h.t.Helper()
	var out, errs bytes.Buffer
	got := cli.Main(h.t.Context(), append(args, "--home", h.dir), cli.Deps{
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs, Env: []string{"HOME=" + h.dir}, Offline: offline,
	})
	if all := out.String() + errs.String(); got != code || !strings.Contains(all, want) || strings.Contains(all, "hf_") {
		h.t.Errorf("%v: exit code %d, want %d, %q lacks %q", args, got, code, all, want)
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	h := newHome(t, "pull: {hub_token: \"secret:hub\"}\n")
	h.run(0, "hf_one\n", "Sealed hub. A setting names it as secret:hub.", "secret", "set", "hub")
	h.run(0, "two\n", `"name": "box"`, "secret", "set", "box", "--json")
	h.run(0, "", "pull.hub_token", "secret", "list")
	h.run(0, "", `"opens": true`, "secret", "ls", "--json")
	h.run(4, "", "pull.hub_token names", "secret", "rm", "hub")
	h.run(0, "", "2 credentials sealed anew", "secret", "rotate")
	h.run(0, strings.Repeat("5e", 32), `"sealed": 2`, "secret", "rotate", "--key-stdin", "--json")
	h.run(0, "", "The record is whole", "audit", "verify")
	h.run(0, "", "POST /api/v1/secrets/rotate", "audit", "list", "--action", "secrets")
	h.run(0, "", "PUT /api/v1/secrets/{name}", "audit", "list", "--kind", "secret")
	h.run(0, "", "Removed box.", "secret", "rm", "box")
	h.run(3, "", "the nearest one is hub", "secret", "rm", "box")
	// The key is lost, and with it what it sealed.
	if err := os.Remove(filepath.Join(h.dir, "server.key")); err != nil {
		t.Fatal(err)
	}
	h.run(0, "", "no: sealed by the key", "secret", "list")
	h.run(0, "", "hub was sealed by another key", "secret", "rotate")
	h.run(0, "hf_again", "Sealed hub", "secret", "set", "hub")
	h.run(0, "", "yes", "secret", "list")
}

func TestWrongUse(t *testing.T) {
	t.Parallel()
	h := newHome(t, "secrets: {key: "+strings.Repeat("ab", 32)+"}\n")
	h.run(2, "x", "a name for the credential", "secret", "set")
	h.run(2, "x", "no name of a credential", "secret", "set", "A b")
	h.run(2, "", "text of 1 to", "secret", "set", "hub")
	h.run(1, strings.Repeat("x", 65<<10), "more than", "secret", "set", "hub")
	h.run(2, "", "--key-stdin", "secret", "rotate")
	h.run(2, "short", "64 hexadecimal digits", "secret", "rotate", "--key-stdin")
	h.run(1, strings.Repeat("x", 2<<10), "more than", "secret", "rotate", "--key-stdin")
	h.run(0, strings.Repeat("cd", 32), "Put the new key into ASHATAI__SECRETS__KEY", "secret", "rotate", "--key-stdin")
	h.run(2, "", "name one", "secret", "list", "--server", "http://127.0.0.1:1")
}
