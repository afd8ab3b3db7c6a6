package core

import (
	"strings"
	"time"
)

// User is an account. Times are zero where there is none.
type User struct {
	ID       string
	Name     string // as it was given; unique whatever its case
	Email    string // may be empty
	Role     AccountRole
	Grants   string    // scopes beyond the role's, comma-separated; empty: none
	Group    string    // id of the group whose tenant it is; empty: a tenant of its own
	Password string    // Argon2id in PHC form; empty: no login by password
	Subject  string    // "issuer subject" of an identity provider; empty: none
	Disabled bool      // may do nothing; its objects stay
	Created  time.Time // to the nanosecond, as all times here
	Updated  time.Time
	LoggedIn time.Time // last login
}

// Tenant is what the account shares caches, quota and stored objects in.
func (u User) Tenant() string {
	if u.Group != "" {
		return u.Group
	}
	return u.ID
}

// Group is a tenant of several accounts.
type Group struct {
	ID      string
	Name    string // unique whatever its case
	Created time.Time
}

// Key is an API key. The key itself is not kept.
type Key struct {
	ID      string
	Hash    string // SHA-256 of the key, lower-case hex
	Hint    string // its last characters, so that its owner knows it again
	User    string // id of its account
	Name    string
	Scopes  string // comma-separated
	Models  string // the models that it may use, separated by spaces; empty: all
	Created time.Time
	Expires time.Time // zero: never
	Used    time.Time // zero: never; to the minute or so
	Revoked time.Time // zero: not

	Before      string    // hash of the secret before this one; empty: there was none
	BeforeUntil time.Time // when that opens the key no more
}

// Session is a login that lasts. The token itself is not kept.
type Session struct {
	ID      string
	Hash    string // SHA-256 of the token, lower-case hex
	User    string // id of its account
	Device  string // what the client called itself
	Address string // from where it logged in
	Created time.Time
	Expires time.Time
	Used    time.Time // to the minute or so
}

// NewUser is an account to be made.
type NewUser struct {
	Name     string
	Email    string
	Password string // empty: no login by password, which only an admin can make
	Role     AccountRole
	Grants   Scope
	Group    string // id, or empty
}

// UserChange is what becomes of an account; nil leaves a field.
type UserChange struct {
	Name     *string
	Email    *string
	Role     *AccountRole
	Grants   *Scope
	Group    *string // id; empty: a tenant of its own
	Disabled *bool
	Subject  *string // see SubjectKey; empty: none
}

// NewKey is a key to be made.
type NewKey struct {
	User    string // id or name of the account; empty: the maker's
	Name    string // what it is for
	Scopes  Scope  // 0: all that the maker and the account have
	Models  []string
	Expires time.Time // zero: never
}

// Client is from where somebody logs in.
type Client struct {
	Device  string // what it calls itself
	Address string // without a port
}

// Login is a session that was just made. Token is shown this once.
type Login struct {
	Token   string
	Session Session
	User    User
}

// The two forms of a key: before the same 64 hexadecimal digits stands one of these.
const (
	KeyPrefix      = "agp_live_"
	KeyAliasPrefix = "hf_" // the shape in which llama.cpp's downloader sends a token at all
)

// KeyAlias is a key in its other form.
func KeyAlias(key string) string { return KeyAliasPrefix + strings.TrimPrefix(key, KeyPrefix) }
