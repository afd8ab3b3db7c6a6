package core

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Scope is one permission, or a union of them; route rows name the one they need.
type Scope uint32

// The scopes of the product. A route row names exactly one of them; a principal holds a union.
const (
	ScopeRead     Scope = 1 << iota // list models, see own objects and own use
	ScopeInfer                      // generate text
	ScopeEmbed                      // embed text
	ScopeTune                       // fine-tune
	ScopeUpload                     // add models, adapters, templates
	ScopeReview                     // review what others publish
	ScopeRunCode                    // run sandboxed code
	ScopeModerate                   // reports, quarantine
	ScopeOperate                    // load, unload, pull, jobs
	ScopePriority                   // ask for a queue class above its own
	ScopeAdmin                      // users, groups, keys, quotas, settings, audit
)

// ScopePublic marks a route that needs no credentials at all: health, login, the page itself.
const ScopePublic Scope = 0

// ScopeAll is the union of every scope.
const ScopeAll = ScopeAdmin<<1 - 1

var scopeNames = [...]string{ //nolint:gochecknoglobals // a constant table
	"read", "infer", "embed", "tune", "upload", "review", "run-code", "moderate", "operate", "priority", "admin",
}

// Has reports whether s includes every scope of want.
func (s Scope) Has(want Scope) bool { return s&want == want }

// String lists the names of the scopes in s, separated by commas; "public" for none.
func (s Scope) String() string {
	if s == ScopePublic {
		return "public"
	}
	var names []string
	for i, n := range scopeNames {
		if s&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, ",")
}

// ParseScopes reads a comma-separated list of scope names. The old names ai:process and ai:generate both mean infer.
func ParseScopes(list string) (Scope, error) {
	var s Scope
	for name := range strings.SplitSeq(list, ",") {
		switch name = strings.TrimSpace(name); name {
		case "":
		case "ai:process", "ai:generate":
			s |= ScopeInfer
		default:
			i := slices.Index(scopeNames[:], name)
			if i < 0 {
				return 0, fmt.Errorf("unknown scope %q; the scopes are %s", name, strings.Join(scopeNames[:], ", "))
			}
			s |= 1 << i
		}
	}
	return s, nil
}

// Class is the queue class of a request; a higher class is served first, and waiting raises a request's class with time.
type Class uint8

// The queue classes, lowest first.
const (
	ClassBatch Class = iota
	ClassStandard
	ClassInteractive
)

var classNames = [...]string{"batch", "standard", "interactive"} //nolint:gochecknoglobals // a constant table

// String is the name used in headers, settings and metric labels.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "unknown"
}

// ParseClass reads a class name.
func ParseClass(name string) (Class, error) {
	i := slices.Index(classNames[:], name)
	if i < 0 {
		return 0, fmt.Errorf("unknown class %q; the classes are %s", name, strings.Join(classNames[:], ", "))
	}
	return Class(i), nil //nolint:gosec // an index of classNames
}

// Principal is who asks. Tenant is the user or group that shares caches, quota and fairness; User and Key name the
// account and the credential, empty where there is none.
type Principal struct {
	Tenant  string
	User    string
	Key     string
	Proof   string // hash of the key's secret that was shown, since a key may have two for a while; empty without a key
	Session string // id of the login that the credential belongs to; empty for keys
	Role    AccountRole
	Class   Class
	Scopes  Scope
	Models  ModelSet // the models that it may use
}

// HandlesCredentials reports whether p may make and end keys and sessions: a login may, and a key with the scope admin. Any
// other key that leaked could otherwise make itself another one that lasts.
func (p Principal) HandlesCredentials() bool { return p.Session != "" || p.Scopes.Has(ScopeAdmin) }

// ModelSet is the models that a credential may use: canonical names separated by spaces, or empty for all of them.
type ModelSet string

// Has reports whether a canonical model name is in the set.
func (s ModelSet) Has(name string) bool {
	if s == "" {
		return true
	}
	for n := range strings.FieldsSeq(string(s)) {
		if n == name {
			return true
		}
	}
	return false
}

// Within reports whether s allows nothing that outer does not.
func (s ModelSet) Within(outer ModelSet) bool {
	if outer == "" {
		return true
	}
	if s == "" {
		return false
	}
	for n := range strings.FieldsSeq(string(s)) {
		if !outer.Has(n) {
			return false
		}
	}
	return true
}

// Local is the principal of every loopback caller while no account exists.
func Local() Principal {
	return Principal{Tenant: "local", User: "local", Role: AccountAdmin, Class: ClassStandard, Scopes: ScopeAll}
}

type principalKey struct{}

// WithPrincipal returns a context that carries p. Only the gate calls it.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom returns the principal that the gate put into ctx; the zero Principal, which has no scope, when it did not.
func PrincipalFrom(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}
