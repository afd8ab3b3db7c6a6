package source

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"ashatai/internal/core"
)

const (
	maxToken = 1 << 20
)

// session sends requests to one registry, and gets the token that it asks for (the distribution specification's token
// authentication). Requests elsewhere pass as they are. It is safe for concurrent use.
type session struct {
	do         Doer
	base       *url.URL
	credential string // "user:password" or a token; empty: none
	repo       string

	mu   sync.Mutex
	auth string // the value of Authorization; empty: none yet
}

// Do sends a request, and once more when the registry wanted a token, or a new one.
func (s *session) Do(req *http.Request) (*http.Response, error) {
	if !sameOrigin(req.URL, s.base) {
		return s.do.Do(req)
	}
	auth := s.current()
	resp, err := s.try(req, auth)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	if resp.Request != nil && !sameOrigin(resp.Request.URL, s.base) {
		return resp, nil // who refuses is where a redirect led
	}
	fresh, err := s.renew(req, auth, resp.Header.Values("WWW-Authenticate"))
	if err != nil || fresh == "" || fresh == auth {
		return resp, keepOpen(err, resp)
	}
	_ = resp.Body.Close() // the refusal says nothing more
	return s.try(req, fresh)
}

// keepOpen closes an answer that is not returned.
func keepOpen(err error, resp *http.Response) error {
	if err != nil {
		return errors.Join(err, resp.Body.Close())
	}
	return nil
}

func (s *session) current() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.auth
}

func (s *session) try(req *http.Request, auth string) (*http.Response, error) {
	req = req.Clone(req.Context())
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	return s.do.Do(req)
}

// renew gets what the registry wants, unless another request has got it meanwhile. used is what was refused.
func (s *session) renew(req *http.Request, used string, challenges []string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.auth != used {
		return s.auth, nil
	}
	c, ok := parseChallenge(challenges)
	if !ok {
		s.auth = s.direct()
		return s.auth, nil
	}
	token, err := s.token(req, c)
	if err != nil || token == "" {
		return "", err
	}
	s.auth = "Bearer " + token
	return s.auth, nil
}

// direct is the credential as it is.
func (s *session) direct() string {
	switch {
	case s.credential == "":
		return ""
	case strings.Contains(s.credential, ":"):
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(s.credential))
	}
	return "Bearer " + s.credential
}

// token asks the realm of a challenge for a token. The credential goes along only when the realm is the registry itself.
func (s *session) token(req *http.Request, c challenge) (string, error) {
	realm, err := s.base.Parse(c.realm)
	if err != nil || realm.User != nil || realm.Scheme != "https" && (realm.Scheme != "http" || s.base.Scheme != "http") {
		return "", core.Errorf(core.CodeForbidden, "The registry %s sends to an address for its token that is not secure, which is not followed.", s.base.Hostname())
	}
	q := realm.Query()
	if c.service != "" {
		q.Set("service", c.service)
	}
	scope := c.scope
	if scope == "" {
		scope = "repository:" + s.repo + ":pull"
	}
	q.Set("scope", scope)
	realm.RawQuery = q.Encode()
	do := s.do
	if sameOrigin(realm, s.base) {
		do = headerDoer{s.do, s.direct()}
	}
	ans, err := get(req.Context(), do, realm.String(), realm.Hostname(), "application/json", maxToken)
	if err != nil {
		return "", err
	}
	if ans.status != http.StatusOK {
		return "", refused(ans.status, realm.Hostname(), "token for "+s.repo, imageHint)
	}
	return parseToken(ans.body)
}

// headerDoer sends one Authorization.
type headerDoer struct {
	do   Doer
	auth string
}

func (d headerDoer) Do(req *http.Request) (*http.Response, error) {
	if d.auth != "" {
		req.Header.Set("Authorization", d.auth)
	}
	return d.do.Do(req)
}

func parseToken(data []byte) (string, error) {
	var t struct {
		Token  string `json:"token"`
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(data, &t); err != nil {
		return "", core.Wrap(core.CodeBadModel, err, "The registry's token cannot be read.")
	}
	if t.Token == "" {
		t.Token = t.Access
	}
	if strings.ContainsFunc(t.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", core.Errorf(core.CodeBadModel, "The registry's token holds characters that no token has.")
	}
	return t.Token, nil
}

// challenge is what a registry wants before it answers.
type challenge struct{ realm, service, scope string }

// parseChallenge finds the Bearer challenge in WWW-Authenticate headers (RFC 9110, 11.6.1).
func parseChallenge(headers []string) (challenge, bool) {
	for _, h := range headers {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(h), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			continue
		}
		var c challenge
		for rest != "" {
			var key, value string
			var ok bool
			if key, value, rest, ok = nextParam(rest); !ok {
				break
			}
			switch strings.ToLower(key) {
			case "realm":
				c.realm = value
			case "service":
				c.service = value
			case "scope":
				c.scope = value
			}
		}
		if c.realm != "" {
			return c, true
		}
	}
	return challenge{}, false
}

// nextParam reads key="value" or key=value from the start of a list, and returns what follows.
func nextParam(s string) (key, value, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t,")
	key, s, ok = strings.Cut(s, "=")
	if key = strings.TrimSpace(key); !ok || key == "" {
		return "", "", "", false
	}
	s = strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, ",")
		return key, strings.TrimSpace(value), rest, true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			return key, b.String(), s[i+1:], true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", "", false
}
