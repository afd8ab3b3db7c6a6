package people_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/cli"
	"ashatai/internal/config"
	"ashatai/internal/node" //nolint:depguard // the real API that the commands call; in this test alone
)

// desk is a user at a command line, with a home of data and no server.
type desk struct {
	t    *testing.T
	home string
	env  []string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	return &desk{t: t, home: t.TempDir(), env: []string{"HOME=" + t.TempDir()}}
}

func (d *desk) offline(ctx context.Context, o cli.OfflineOptions) (http.RoundTripper, func() error, error) {
	home := o.Home
	if home == "" {
		home = d.home
	}
	s, err := config.Load(config.Sources{Home: home})
	if err != nil {
		return nil, nil, err
	}
	return node.Offline(ctx, node.Options{Version: "1", Settings: s, Errors: io.Discard})
}

// run runs a command line that must end with the exit code, and returns what it printed.
func (d *desk) run(code int, stdin string, args ...string) (out, errs string) {
	d.t.Helper()
	var stdout, stderr bytes.Buffer
	got := cli.Main(d.t.Context(), args, cli.Deps{
		Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr, Env: d.env, Offline: d.offline,
	})
	if got != code {
		d.t.Errorf("%v: exit code %d, want %d: %s%s", args, got, code, &stdout, &stderr)
	}
	return stdout.String(), stderr.String()
}

func TestAccountsOnAHome(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	at := func(args ...string) []string { return append(args, "--home", d.home) }
	const horse = "correct horse\n"
	d.run(2, horse, at("user", "create", "bob", "--password-stdin")...) // the first one is an admin
	if out, _ := d.run(0, horse, at("user", "create", "--admin", "ann", "--password-stdin")...); out != "Made the account ann with the role admin.\n" {
		t.Errorf("%q", out)
	}
	d.run(0, horse, at("user", "create", "bob", "--role", "operator", "--email", "bob@example.org", "--password-stdin")...)
	d.run(4, horse, at("user", "create", "BOB", "--password-stdin")...)
	if _, errs := d.run(2, horse, at("user", "create", "cy")...); !strings.Contains(errs, "--password-stdin") {
		t.Errorf("%q", errs)
	}
	if out, _ := d.run(0, "", at("user", "role", "bob", "viewer")...); out != "bob has the role viewer.\n" {
		t.Errorf("%q", out)
	}
	d.run(2, "", at("user", "role", "bob")...)
	d.run(2, "", at("user", "role", "bob", "boss")...)
	d.run(3, "", at("user", "role", "nobody", "viewer")...)
	d.run(4, "", at("user", "role", "ann", "viewer")...)
	if out, _ := d.run(0, "", at("user", "disable", "bob")...); out != "bob is disabled.\n" {
		t.Errorf("%q", out)
	}
	out, _ := d.run(0, "", at("user", "list")...)
	if lines := strings.Split(out, "\n"); len(lines) != 4 || !strings.Contains(lines[1], "ann") || !strings.Contains(lines[2], "disabled") {
		t.Errorf("%q", out)
	}
	d.run(0, "", at("user", "disable", "--enable", "bob")...)
	d.run(0, "another horse\n", at("user", "passwd", "bob", "--password-stdin")...)
	var list struct {
		Users []struct {
			Name string `json:"name"`
			Role string `json:"role"`
		} `json:"users"`
	}
	out, _ = d.run(0, "", at("user", "list", "--json")...)
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Users) != 2 || list.Users[1].Role != "viewer" {
		t.Errorf("%v: %s", err, out)
	}
	if out, _ := d.run(0, "", at("user", "export", "bob")...); !strings.Contains(out, `"bob@example.org"`) || strings.Contains(out, "argon2") {
		t.Errorf("%q", out)
	}
	d.run(2, "", at("user", "link", "bob")...)
	d.run(2, "", at("user", "link", "bob", "sub-1", "--none")...)
	if _, errs := d.run(2, "", at("user", "link", "bob", "sub-1")...); !strings.Contains(errs, "auth.oidc") {
		t.Errorf("a link to no provider: %q", errs)
	}
	provider := "auth:\n  oidc:\n    issuer: https://idp.example.org\n    client_id: x\n"
	if err := os.WriteFile(filepath.Join(d.home, "ashatai.yaml"), []byte(provider), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _ := d.run(0, "", at("user", "link", "bob", "sub-1")...); out != "The account bob is linked.\n" {
		t.Errorf("%q", out)
	}
	if out, _ := d.run(0, "", at("user", "list", "--json")...); !strings.Contains(out, `"https://idp.example.org sub-1"`) {
		t.Errorf("%s", out)
	}
	d.run(4, "", at("user", "link", "ann", "sub-1")...) // bob is this person
	if out, _ := d.run(0, "", at("user", "link", "bob", "--none")...); out != "The account bob is unlinked.\n" {
		t.Errorf("%q", out)
	}
	d.run(2, "", at("user", "erase", "bob")...)
	d.run(0, "", at("user", "erase", "bob", "--yes")...)
	d.run(3, "", at("user", "erase", "bob", "--yes")...)
	d.run(2, "", at("user", "list", "--server", "http://127.0.0.1:1")...)
	d.run(2, "", "user", "no-such")
}

func TestKeysOnAHome(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	at := func(args ...string) []string { return append(args, "--home", d.home) }
	d.run(0, "correct horse\n", at("user", "create", "--admin", "ann", "--password-stdin")...)
	out, _ := d.run(0, "", at("key", "create", "ci", "--user", "ann", "--scopes", "read,infer", "--models", "a:1,b:2", "--expires", "720h")...)
	if !strings.HasPrefix(out, "agp_live_") || len(out) != len("agp_live_")+64+1 {
		t.Errorf("%q", out)
	}
	d.run(2, "", at("key", "create", "x", "--user", "ann", "--expires", "soon")...)
	d.run(2, "", at("key", "create", "x", "--user", "ann", "--scopes", "boss")...)
	d.run(3, "", at("key", "create", "x", "--user", "nobody")...)
	out, _ = d.run(0, "", at("key", "list", "--all")...)
	rows := strings.Split(out, "\n")
	if len(rows) != 3 || !strings.Contains(rows[1], "a:1,b:2") || !strings.Contains(rows[1], "active") {
		t.Fatalf("%q", out)
	}
	cells := strings.Fields(rows[1])
	id := cells[len(cells)-1]
	if again, _ := d.run(0, "", at("key", "rotate", id, "--grace", "24h")...); !strings.HasPrefix(again, "agp_live_") {
		t.Errorf("%q", again)
	}
	d.run(0, "", at("key", "rotate", id, "--json")...)
	d.run(2, "", at("key", "rotate", id, "--grace", "1ms")...)
	d.run(2, "", at("key", "rotate", id, "--grace", "9000h")...)
	d.run(3, "", at("key", "rotate", "key_none")...)
	d.run(0, "", at("key", "revoke", id)...)
	d.run(3, "", at("key", "revoke", id)...)
	if out, _ := d.run(0, "", at("key", "list", "--user", "ann", "--revoked", "--json")...); !strings.Contains(out, `"revoked"`) {
		t.Errorf("%q", out)
	}
}

// TestLogin keeps what a login gave in a file that only its owner can read, for this server alone.
func TestLogin(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.run(0, "correct horse\n", "user", "create", "--admin", "ann", "--password-stdin", "--home", d.home)
	rt, end, err := d.offline(t.Context(), cli.OfflineOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = end() }()
	server := serve(t, rt)
	d.env = append(d.env, "ASHATAI_SERVER="+server)
	d.run(4, "wrong horse\n", "login", "ann", "--password-stdin")
	d.run(2, "", "login")
	if out, _ := d.run(0, "correct horse\n", "login", "ann", "--password-stdin"); !strings.HasPrefix(out, "Logged in as ann") {
		t.Errorf("%q", out)
	}
	file := filepath.Join(strings.TrimPrefix(d.env[0], "HOME="), ".config", "ashatai", "credentials.json")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	b, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(b), server) || !strings.Contains(string(b), "ags_") {
		t.Errorf("%s, %v", b, err)
	}
	d.run(0, "", "user", "list")
	d.run(0, "", "logout")
	if b, _ := os.ReadFile(file); strings.Contains(string(b), "ags_") {
		t.Errorf("after the logout: %s", b)
	}
	if out, _ := d.run(0, "correct horse\n", "login", "ann", "--password-stdin", "--json"); strings.Contains(out, "ags_") || !strings.Contains(out, `"ann"`) {
		t.Errorf("%q", out)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs := d.run(1, "", "user", "list"); !strings.Contains(errs, "log in again") {
		t.Errorf("%q", errs)
	}
}

// serve puts an API on a real port and says where.
func serve(t *testing.T, rt http.RoundTripper) string {
	t.Helper()
	return listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host, out.RequestURI = "http", r.Host, ""
		res, err := rt.RoundTrip(out)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	}))
}

func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}
