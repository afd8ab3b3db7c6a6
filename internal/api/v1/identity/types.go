package identity

import (
	"strings"
	"time"

	"ashatai/internal/core"
)

// Entrance says how one gets in.
type Entrance struct {
	Accounts     bool   `json:"accounts" doc:"whether there are accounts; without them whoever is on the server's machine may do everything"`
	Registration bool   `json:"registration" doc:"whether strangers may make an account"`
	Provider     string `json:"provider,omitempty" doc:"name of the identity provider that a browser may log in by, at /api/v1/oidc/login; absent: there is none"`
}

// LoginRequest is a try to log in.
type LoginRequest struct {
	Name     string `json:"name" required:"true"`
	Password string `json:"password" required:"true"`
	Cookie   bool   `json:"cookie,omitempty" doc:"set a cookie in place of answering with the token, for browsers"`
}

// RegisterRequest is a stranger's wish for an account.
type RegisterRequest struct {
	LoginRequest

	Email string `json:"email,omitempty"`
}

// SetupRequest makes the first account.
type SetupRequest struct {
	RegisterRequest

	Secret string `json:"secret" required:"true" doc:"from the set-up link"`
}

// LoginAnswer is a login that worked.
type LoginAnswer struct {
	Token   string    `json:"token,omitempty" doc:"to be sent as Authorization: Bearer; absent where a cookie was set"`
	Expires time.Time `json:"expires_at"`
	User    User      `json:"user"`
}

// User is an account.
type User struct {
	ID        string           `json:"id"`
	Name      string           `json:"name"`
	Email     string           `json:"email,omitempty"`
	Role      core.AccountRole `json:"role" enum:"viewer,user,publisher,moderator,operator,admin"`
	Grants    []string         `json:"grants" doc:"scopes beyond the role's"`
	Group     string           `json:"group,omitempty" doc:"id of the group that it shares a tenant with"`
	Disabled  bool             `json:"disabled"`
	Password  bool             `json:"has_password" doc:"whether it can log in by password"`
	Subject   string           `json:"subject,omitempty" doc:"whom the identity provider knows it as: its address, a space, and its id"`
	Created   time.Time        `json:"created_at"`
	LastLogin *time.Time       `json:"last_login_at,omitempty"`
}

func userOf(u core.User) User {
	return User{
		ID: u.ID, Name: u.Name, Email: u.Email, Role: u.Role, Grants: words(u.Grants, ","), Group: u.Group, Disabled: u.Disabled,
		Password: u.Password != "", Subject: u.Subject, Created: u.Created, LastLogin: maybe(u.LoggedIn),
	}
}

func words(list, separator string) []string {
	if list == "" {
		return []string{}
	}
	return strings.Split(list, separator)
}

func maybe(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// UserList is the accounts.
type UserList struct {
	Users []User `json:"users"`
}

// UserRequest is an account to be made.
type UserRequest struct {
	Name     string   `json:"name" required:"true"`
	Email    string   `json:"email,omitempty"`
	Password string   `json:"password,omitempty" doc:"without one it cannot log in by password"`
	Role     string   `json:"role,omitempty" doc:"user where it is absent" enum:"viewer,user,publisher,moderator,operator,admin"`
	Grants   []string `json:"grants,omitempty" doc:"scopes beyond the role's; tune is the only one"`
	Group    string   `json:"group,omitempty" doc:"id of a group"`
}

// UserPatch changes an account; absent fields stay as they are.
type UserPatch struct {
	Name     *string   `json:"name,omitempty"`
	Email    *string   `json:"email,omitempty"`
	Role     *string   `json:"role,omitempty" enum:"viewer,user,publisher,moderator,operator,admin"`
	Grants   *[]string `json:"grants,omitempty"`
	Group    *string   `json:"group,omitempty" doc:"id of a group, or empty for none"`
	Disabled *bool     `json:"disabled,omitempty"`
	Subject  *string   `json:"subject,omitempty" doc:"id of the account's owner at the identity provider, or empty for none"`
}

// PasswordRequest is an account's new password.
type PasswordRequest struct {
	Password string `json:"password" required:"true"`
}

// PasswordChange is one's own new password.
type PasswordChange struct {
	Old string `json:"old_password" required:"true"`
	New string `json:"new_password" required:"true"`
}

// Me is who asks.
type Me struct {
	User     User     `json:"user"`
	Tenant   string   `json:"tenant" doc:"what shares caches, quota and fairness"`
	Scopes   []string `json:"scopes" doc:"what the credential may do"`
	Models   []string `json:"models,omitempty" doc:"the models that it may use; absent: all"`
	Key      string   `json:"key,omitempty" doc:"id of the key that asks"`
	Session  string   `json:"session,omitempty" doc:"id of the session that asks"`
	Accounts bool     `json:"accounts" doc:"whether there are accounts"`
}

// Session is a login that lasts.
type Session struct {
	ID      string    `json:"id"`
	User    string    `json:"user_id"`
	Device  string    `json:"device"`
	Address string    `json:"address"`
	Created time.Time `json:"created_at"`
	Expires time.Time `json:"expires_at"`
	Used    time.Time `json:"last_used_at"`
	Current bool      `json:"current" doc:"whether it is the one that asks"`
}

func sessionOf(s core.Session, current string) Session {
	return Session{
		ID: s.ID, User: s.User, Device: s.Device, Address: s.Address, Created: s.Created, Expires: s.Expires, Used: s.Used,
		Current: s.ID == current,
	}
}

// SessionList is logins.
type SessionList struct {
	Sessions []Session `json:"sessions"`
}

// Key is an API key, without what opens anything.
type Key struct {
	ID      string     `json:"id"`
	User    string     `json:"user_id"`
	Name    string     `json:"name"`
	Hint    string     `json:"hint" doc:"the last characters of the key"`
	Scopes  []string   `json:"scopes"`
	Models  []string   `json:"models" doc:"empty: all"`
	State   string     `json:"state" enum:"active,expired,revoked"`
	Created time.Time  `json:"created_at"`
	Expires *time.Time `json:"expires_at,omitempty"`
	Used    *time.Time `json:"last_used_at,omitempty"`
	Revoked *time.Time `json:"revoked_at,omitempty"`
}

func (h handlers) keyOf(k core.Key) Key {
	return Key{
		ID: k.ID, User: k.User, Name: k.Name, Hint: k.Hint, Scopes: words(k.Scopes, ","), Models: words(k.Models, " "),
		State: h.Keys.KeyState(k), Created: k.Created, Expires: maybe(k.Expires), Used: maybe(k.Used), Revoked: maybe(k.Revoked),
	}
}

// KeyList is keys.
type KeyList struct {
	Keys []Key `json:"keys"`
}

// KeyRequest is a key to be made.
type KeyRequest struct {
	Name    string     `json:"name" required:"true" doc:"what it is for"`
	User    string     `json:"user,omitempty" doc:"id or name of the account; absent: one's own"`
	Scopes  []string   `json:"scopes,omitempty" doc:"absent: all that the account has"`
	Models  []string   `json:"models,omitempty" doc:"the models that it may use; absent: all"`
	Expires *time.Time `json:"expires_at,omitempty"`
}

// RotateRequest asks for another secret of a key.
type RotateRequest struct {
	Grace int64 `json:"grace_seconds,omitempty" doc:"how long the secret before opens the key too, at most 90 days; absent: no more"`
}

// NewKey is a key that was just made.
type NewKey struct {
	Key

	Secret string `json:"key" doc:"the key itself; it is shown this once"`
	Alias  string `json:"alias" doc:"the same key in the form that llama.cpp's downloader sends"`
}

// Group is a tenant of several accounts.
type Group struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created_at"`
}

// GroupList is the groups.
type GroupList struct {
	Groups []Group `json:"groups"`
}

// GroupRequest names a group.
type GroupRequest struct {
	Name string `json:"name" required:"true"`
}

// Done says that something was done.
type Done struct {
	OK bool `json:"ok"`
}
