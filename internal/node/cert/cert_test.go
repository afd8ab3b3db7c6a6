package cert_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/node/cert"
	"ashatai/internal/node/cert/certtest"
)

func TestKeeper(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	now := time.Now()
	certtest.Make(t, dir, 1, now.Add(90*24*time.Hour))
	certtest.Make(t, other, 2, now.Add(time.Hour))
	var k cert.Keeper
	if k.Leaf() != nil {
		t.Error("there is a certificate from nowhere")
	}
	file := func(dir, name string) string { return filepath.Join(dir, name+".pem") }
	if err := k.Load(file(dir, "cert"), file(dir, "key")); err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]string{
		"another's key": {file(dir, "cert"), file(other, "key")}, "no file": {file(dir, "none"), file(dir, "key")}, "the wrong way round": {file(dir, "key"), file(dir, "cert")},
	} {
		if err := k.Load(pair[0], pair[1]); core.CodeOf(err) != core.CodeInvalidRequest || !strings.Contains(err.Error(), "tls.cert") || k.Leaf().SerialNumber.Int64() != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := k.Config()
	if err := k.Load(file(other, "cert"), file(other, "key")); err != nil {
		t.Fatal(err)
	}
	if got, err := c.GetCertificate(nil); err != nil || got.Leaf.SerialNumber.Int64() != 2 {
		t.Errorf("a listener still has the old certificate: %v", err)
	}
	if err := os.Remove(file(other, "key")); err != nil {
		t.Fatal(err)
	}
}

func TestVerdict(t *testing.T) {
	now := time.Now()
	c := certtest.Make(t, t.TempDir(), 1, now.Add(60*24*time.Hour))
	for at, want := range map[int]string{0: "", 50: "renew", 61: "ended", -40: "clock"} {
		text, refused := cert.Verdict(c, now.AddDate(0, 0, at))
		if want == "" != (text == "") || !strings.Contains(text, want) || refused != (want == "ended" || want == "clock") {
			t.Errorf("after %d days: %q, %v", at, text, refused)
		}
	}
}
