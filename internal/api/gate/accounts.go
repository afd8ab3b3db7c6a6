package gate

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"ashatai/internal/core"
)

// SessionCookie is the cookie in which a browser keeps its login. Scripts of a page never see it.
const SessionCookie = "ashatai_session"

// Directory knows whose credentials are whose.
type Directory interface {
	// Any reports whether there are accounts.
	Any(ctx context.Context) (bool, error)
	// Identify finds whose a credential is. Errors: CodeUnauthenticated.
	Identify(ctx context.Context, credential string) (core.Principal, error)
}

// Accounts authenticates by credentials where there are accounts, and as Local does where there are none.
type Accounts struct {
	Directory Directory
	Local     Local
	// Protected are path prefixes that need credentials also while there are no accounts, and Exempt those among them that
	// do not. What needs credentials anyway needs them here too.
	Protected, Exempt []string
	// Twins are calls that are the same as one at another path, by their paths: they are protected as that one is. A part of
	// the other path that is written {so} may be anything.
	Twins map[string]string
}

var _ Authenticator = Accounts{}

// Authenticate looks at what the request carries. While there are no accounts, credentials count for nothing.
func (a Accounts) Authenticate(r *http.Request) (core.Principal, error) {
	some, err := a.Directory.Any(r.Context())
	if err != nil {
		return core.Principal{}, err
	}
	if !some && !a.protects(r.URL.Path) {
		return a.Local.Authenticate(r)
	}
	credential := Credential(r)
	if credential == "" {
		return core.Principal{}, core.Errorf(
			core.CodeUnauthenticated,
			"This call needs credentials: send a key or a session's token as `Authorization: Bearer …` or `X-API-Key`, or log in.",
		)
	}
	return a.Directory.Identify(r.Context(), credential)
}

// protects errs on the side of asking: a twin may be any of the calls that its pattern stands for, so it is protected where
// one of them is, and exempt where all of them are.
func (a Accounts) protects(path string) bool {
	if covers(a.Exempt, path) || covers(a.Protected, path) {
		return !covers(a.Exempt, path)
	}
	twin, ok := a.Twins[path]
	return ok && slices.ContainsFunc(a.Protected, func(p string) bool { return mayCover(p, twin) }) && !covers(a.Exempt, twin)
}

// mayCover reports whether a path that the pattern stands for can be the prefix or below it.
func mayCover(prefix, pattern string) bool {
	want, have := strings.Split(trimmed(prefix), "/"), strings.Split(pattern, "/")
	for i, part := range want {
		if i == len(have) || !strings.HasPrefix(have[i], "{") && !strings.EqualFold(part, have[i]) {
			return false
		}
	}
	return true
}

// covers reports whether a path is one of the prefixes or below one. A prefix may end in "/*", as older servers wrote it.
func covers(prefixes []string, path string) bool {
	for _, p := range prefixes {
		if rest, ok := cutFold(path, trimmed(p)); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

func trimmed(prefix string) string { return strings.TrimSuffix(strings.TrimSuffix(prefix, "*"), "/") }

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// Credential is what a request carries to say who sends it: a bearer token, a key, or the cookie of a login, the first of
// them; empty for none.
func Credential(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		if token = strings.TrimSpace(token); token != "" {
			return token
		}
	}
	if key := strings.TrimSpace(r.Header.Get("X-Api-Key")); key != "" {
		return key
	}
	if c, err := r.Cookie(SessionCookie); err == nil {
		return c.Value
	}
	return ""
}
