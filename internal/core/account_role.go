package core

import "strings"

// AccountRole names what an account may do.
type AccountRole string

// The roles, from the least to the most.
const (
	AccountViewer    AccountRole = "viewer"
	AccountUser      AccountRole = "user"
	AccountPublisher AccountRole = "publisher"
	AccountModerator AccountRole = "moderator"
	AccountOperator  AccountRole = "operator"
	AccountAdmin     AccountRole = "admin"
)

// Grantable are the scopes that an account can be given beyond its role's.
const Grantable = ScopeTune

// accountRoles is the table of what each role may do.
func accountRoles() []struct {
	Role   AccountRole
	Scopes Scope
} {
	const (
		viewer    = ScopeRead
		user      = viewer | ScopeInfer | ScopeEmbed | ScopeRunCode
		publisher = user | ScopeUpload | ScopeReview
		moderator = publisher | ScopeModerate
		operator  = publisher | ScopeOperate | ScopePriority | ScopeTune
	)
	return []struct {
		Role   AccountRole
		Scopes Scope
	}{
		{AccountViewer, viewer},
		{AccountUser, user},
		{AccountPublisher, publisher},
		{AccountModerator, moderator},
		{AccountOperator, operator},
		{AccountAdmin, ScopeAll},
	}
}

// AccountRoles lists the roles, from the least to the most.
func AccountRoles() []AccountRole {
	var out []AccountRole
	for _, r := range accountRoles() {
		out = append(out, r.Role)
	}
	return out
}

// Scopes is what a role may do; an unknown one may do nothing.
func (r AccountRole) Scopes() Scope {
	for _, row := range accountRoles() {
		if row.Role == r {
			return row.Scopes
		}
	}
	return 0
}

// ParseAccountRole reads a role's name, in any case. The error names the field param.
func ParseAccountRole(param, name string) (AccountRole, error) {
	var names []string
	for _, r := range AccountRoles() {
		if strings.EqualFold(name, string(r)) {
			return r, nil
		}
		names = append(names, string(r))
	}
	return "", Invalid(param, "There is no role %.40q; the roles are %s.", name, strings.Join(names, ", "))
}
