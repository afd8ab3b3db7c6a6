package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOIDC(t *testing.T) {
	const good = "issuer: https://idp.example.org\n    client_id: x\n    "
	for _, c := range []struct{ text, says string }{
		{good + "roles: [a=b=operator, all=viewer]\n    groups: [ml=research]", ""},
		{good + "client_secret: canary-1\n    link: email", ""},
		{"client_id: x", "auth.oidc.issuer is missing"},
		{"issuer: https://idp.example.org", "auth.oidc.client_id is missing"},
		{"issuer: http://idp.example.org\n    client_id: x", "plain http"},
		{"issuer: http://idp.example.org\n    client_id: x\n    allow_private: true", ""},
		{"issuer: https://me:canary-1@idp.example.org\n    client_id: x", "no issuer"},
		{"issuer: idp.example.org\n    client_id: x", "no issuer"},
		{good + "role: admin", `"admin" is not one of`},
		{good + "roles: [a=admin]", "nobody becomes an admin"},
		{good + "roles: [a=boss]", `no role "boss"`},
		{good + "roles: [operator]", "THEIR-GROUP=OURS"},
		{good + "groups: [=x]", "THEIR-GROUP=OURS"},
		{good + `role: ""`, "nobody could get in"},
		{good + `role: ""` + "\n    roles: [a=user]", ""},
		{good + "allowed_domains: ['@example.org']", "what follows the @"},
		{good + "link: email\naccounts:\n  registration: true", "Turn one of the two off"},
		{good + "link: name", "is not one of"},
	} {
		home := t.TempDir()
		if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte("auth:\n  oidc:\n    "+c.text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Load(Sources{Home: home})
		switch {
		case c.says == "" && (err != nil || !s.Auth.OIDC.On()):
			t.Errorf("%s: %v", c.text, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "canary")):
			t.Errorf("%s: %v, want %q", c.text, err, c.says)
		}
	}
	if p := Pairs([]string{"a=b=operator", "x", "=y"}); len(p) != 1 || p[0] != (Pair{"a=b", "operator"}) {
		t.Errorf("%v", p)
	}
}
