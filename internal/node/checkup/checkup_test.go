package checkup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ashatai/internal/config"
	"ashatai/internal/feature"
	"ashatai/internal/node/cert/certtest"
)

func load(t *testing.T, home, yaml string) *config.Settings {
	t.Helper()
	if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := config.Load(config.Sources{Home: home})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// is compares the one finding of a list.
func is(t *testing.T, list []Finding, state, part string) {
	t.Helper()
	if state == "" {
		if len(list) != 0 {
			t.Errorf("%+v; want nothing", list)
		}
		return
	}
	if f := list[len(list)-1]; f.State != state || !strings.Contains(f.Detail+" "+f.Remedy, part) || state != OK && f.Remedy == "" {
		t.Errorf("%+v; want %s with %q", f, state, part)
	}
}

func TestHome(t *testing.T) {
	dir := t.TempDir()
	for mode, want := range map[uint32]string{0o700: OK, 0o755: Warn, 0o770: Warn} {
		if err := os.Chmod(dir, os.FileMode(mode)); err != nil {
			t.Fatal(err)
		}
		is(t, Home(dir), want, map[string]string{OK: "alone", Warn: "chmod 700 " + dir}[want])
	}
	is(t, Home(filepath.Join(dir, "none")), "", "")
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	is(t, Home(file), Fail, "not a folder")
	is(t, Home(filepath.Join(file, "below")), Fail, "cannot be looked at")
}

func TestSecrets(t *testing.T) {
	home := t.TempDir()
	s := load(t, home, "pull: {hub_token: x}")
	is(t, Secrets(s), Warn, "line 1: pull.hub_token is there in plain text Seal it by `ashatai secret set NAME`")
	is(t, Secrets(load(t, t.TempDir(), "pull: {hub_token: \"secret:hub\"}\ndatabase: {url: \"postgres://a:b@c/d\"}")), "", "")
	file := filepath.Join(home, "ashatai.yaml")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	is(t, Secrets(s)[:1], Warn, "holds pull.hub_token, and other users")
	is(t, Secrets(load(t, t.TempDir(), "logs: {level: debug}")), "", "")
	certtest.Make(t, home, 1, time.Now().Add(time.Hour))
	if err := os.Chmod(filepath.Join(home, "key.pem"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	is(t, Secrets(load(t, home, "tls: {cert: cert.pem, key: key.pem}")), Warn, "the certificate's key")
}

func TestDisk(t *testing.T) {
	is(t, []Finding{Disk("/x", 5<<30, nil)}, OK, "5.0 GiB free")
	is(t, []Finding{Disk("/x", 500<<20, nil)}, Warn, "ashatai rm")
	is(t, []Finding{Disk("/x", 1<<20, nil)}, Fail, "writes are refused")
	if f := Disk("/x", 0, errors.New("gone")); f.State != Warn || !strings.Contains(f.Detail, "gone") {
		t.Errorf("%+v", f)
	}
}

func TestTLS(t *testing.T) {
	home, now := t.TempDir(), time.Now()
	certtest.Make(t, home, 1, now.Add(60*24*time.Hour))
	s := load(t, home, "tls: {cert: cert.pem, key: key.pem}")
	is(t, TLS(s, true, now), OK, "counts until")
	is(t, TLS(s, true, now.Add(50*24*time.Hour)), Warn, "Renew")
	is(t, TLS(s, true, now.Add(61*24*time.Hour)), Fail, "ended")
	s.TLS.Key = filepath.Join(home, "none")
	is(t, TLS(s, true, now), Fail, "openssl")
	plain := load(t, t.TempDir(), "server: {addr: \"0.0.0.0:1\"}")
	is(t, TLS(plain, true, now), Warn, "in the clear")
	is(t, TLS(plain, false, now), "", "")
}

func TestFeatures(t *testing.T) {
	is(t, Features(load(t, t.TempDir(), "features: {pull: off}")), OK, "off by settings: pull")
	is(t, Features(load(t, t.TempDir(), "")), OK, "off by settings: none")
	bad := config.Default()
	bad.Features.Pull = "boss"
	is(t, Features(bad), Fail, "features.pull")
	set, err := feature.NewSet([]feature.Flag{{Name: "new", Phase: feature.Alpha}}, map[feature.Name]string{"new": "on"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	is(t, features(set), Warn, "features.new: operator,admin")
}
