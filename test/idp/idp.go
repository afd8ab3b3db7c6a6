// Package idp starts an identity provider for tests, oidc-provider on Node, and goes through its pages as a person would. It
// is for tests alone.
package idp

import (
	"bufio"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ClientID and Secret are what the provider knows a server by; OtherID is another of its clients.
const (
	ClientID = "ashatai"
	Secret   = "ashatai-secret-canary"
	OtherID  = "other"
)

// Provider is a running identity provider.
type Provider struct {
	Issuer string
	client *http.Client
}

// Start starts a provider that sends browsers back to the redirects, until the test ends. The test is skipped where set-up
// did not install one.
func Start(t *testing.T, redirects ...string) *Provider {
	t.Helper()
	dir := os.Getenv("ASHATAI_TEST_IDP")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "oidc-provider")); dir == "" || err != nil {
		t.Skip("no identity provider is installed: make setup-test, and ASHATAI_TEST_IDP=test/idp")
	}
	cmd := exec.CommandContext(t.Context(), "node", append([]string{filepath.Join(dir, "provider.mjs")}, redirects...)...)
	in, err := cmd.StdinPipe() // it ends when this closes, whatever becomes of us
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = in.Close(), cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	issuer, ok := strings.CutPrefix(strings.TrimSpace(line), "issuer ")
	if err != nil || !ok {
		t.Fatalf("the provider said %q, %v", line, err)
	}
	return &Provider{Issuer: issuer, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
}

// Rotate gives the provider another key to sign with, and takes the old one away.
func (p *Provider) Rotate(t *testing.T) {
	t.Helper()
	p.tell(t, "/test/rotate")
}

// Expire lets all codes grow too old.
func (p *Provider) Expire(t *testing.T) {
	t.Helper()
	p.tell(t, "/test/expire")
}

func (p *Provider) tell(t *testing.T, path string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.Issuer+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s answered %s", path, res.Status)
	}
}

var form = regexp.MustCompile(`action="([^"]+)" method="post">\s*<input type="hidden" name="prompt" value="([a-z]+)"`)

// LogIn goes from the address that a server sent the browser to, through the provider's pages, to the address that the
// provider sends the browser back to. An empty name turns away at the first page.
func (p *Provider) LogIn(t *testing.T, address, name string) *url.URL {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := *p.client
	c.Jar = jar
	var back *url.URL
	c.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), p.Issuer) {
			back = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if back != nil {
			return back
		}
		m := form.FindStringSubmatch(string(b))
		if m == nil {
			t.Fatalf("the provider shows no form: %s %.2000s", res.Status, b)
		}
		fields := url.Values{"prompt": {m[2]}, "login": {name}, "password": {"any"}}
		r, err = http.NewRequestWithContext(t.Context(), http.MethodPost, m[1], strings.NewReader(fields.Encode()))
		if err == nil && name == "" {
			r, err = http.NewRequestWithContext(t.Context(), http.MethodGet, m[1]+"/abort", nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	t.Fatal("the provider shows one form after another")
	return nil
}
