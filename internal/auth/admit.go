package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"ashatai/internal/core"
)

// Admission says whom of those that an identity provider vouches for is let in, and as what.
type Admission struct {
	Create  bool             // an account is made for who has none
	ByEmail bool             // who has none gets the one with the same verified address, unless it is an admin's
	Domains []string         // of verified addresses; empty: any
	Roles   []GroupRole      // the first that fits counts, at every login
	Role    core.AccountRole // where none fits: of a new account, and of one whose role only Roles gives; empty: such a one is not let in
	Groups  []GroupName      // the first that fits counts, at every login; where none fits, an account is in none of them
}

// GroupRole is the role that a group of the provider's gives, which is never admin.
type GroupRole struct {
	Theirs string
	Role   core.AccountRole
}

// GroupName is the group of this server that the members of a group of the provider's are in.
type GroupName struct{ Theirs, Ours string }

// Admit makes a session for whom an identity provider vouches for. Errors: CodeForbidden with what to do about it,
// CodeRateLimited.
func (s *Service) Admit(ctx context.Context, id core.Identity, a Admission, from core.Client) (*core.Login, error) {
	_, address, _ := tryRates()
	if err := s.tries.take(s.cfg.Now(), []string{"identity " + core.AddressBlock(from.Address)}, []rate{address}); err != nil {
		return nil, err
	}
	if some, err := s.Any(ctx); err != nil || !some {
		if err == nil {
			err = core.Errorf(core.CodeForbidden, "This server has no accounts yet. Its first one is an admin, made with `ashatai user create --admin NAME`.")
		}
		return nil, err
	}
	u, err := s.admitted(ctx, id, a)
	if err != nil {
		s.cfg.Log.InfoContext(ctx, "a login by an identity provider was refused", slog.String("remote", from.Address))
		return nil, err
	}
	l, err := s.begin(ctx, u, from)
	if err != nil {
		return nil, err
	}
	// Whoever disabled the account meanwhile has ended the sessions of that time; this one may have come after.
	after, err := s.User(ctx, u.ID)
	if err != nil || after.Disabled || after.Subject != u.Subject {
		if _, gone := s.logins.Delete(ctx, u.ID, l.Session.ID); gone != nil {
			return nil, gone
		}
		return nil, disabled()
	}
	return l, nil
}

func disabled() error {
	return core.Errorf(core.CodeForbidden, "Your account here is disabled. Ask an admin of this server.")
}

// admitted finds an identity's account, or makes it, and brings it up to date.
func (s *Service) admitted(ctx context.Context, id core.Identity, a Admission) (core.User, error) {
	if !a.domain(id) {
		return core.User{}, core.Errorf(core.CodeForbidden, "This server lets in verified e-mail addresses of some domains only, and yours is not one of them.")
	}
	role, named := a.role(id)
	if !named && a.Role == "" {
		return core.User{}, core.Errorf(core.CodeForbidden, "None of your groups at the identity provider gives a role here. Ask an admin of this server.")
	}
	group, err := s.groupFor(ctx, id, a)
	if err != nil {
		return core.User{}, err
	}
	u, found, err := s.users.BySubject(ctx, id.Key())
	if err != nil {
		return core.User{}, err
	}
	if !found {
		if u, err = s.newcomer(ctx, id, a, role); err != nil {
			return core.User{}, err
		}
	}
	if u.Disabled {
		return core.User{}, disabled()
	}
	left := false
	if group == "" && u.Group != "" {
		if left, err = s.given(ctx, u.Group, a); err != nil {
			return core.User{}, err
		}
	}
	// A role that a group gave goes with it.
	named = named || slices.ContainsFunc(a.Roles, func(g GroupRole) bool { return g.Role == u.Role })
	changed := core.User{Role: u.Role, Group: u.Group}
	if named && u.Role != core.AccountAdmin { // an admin was made one here, and is unmade here
		changed.Role = role
	}
	if group != "" || left {
		changed.Group = group
	}
	if changed.Role == u.Role && changed.Group == u.Group {
		return u, nil
	}
	return s.users.Change(ctx, u.ID, string(core.AccountAdmin), func(now *core.User) error {
		if named && now.Role != core.AccountAdmin {
			now.Role = role
		}
		if now.Group == u.Group { // else an admin moved the account meanwhile
			now.Group = changed.Group
		}
		now.Updated = s.cfg.Now().UTC()
		return nil
	})
}

// domain reports whether an identity's address is of a domain that is let in.
func (a Admission) domain(id core.Identity) bool {
	if len(a.Domains) == 0 {
		return true
	}
	_, domain, ok := strings.Cut(id.Email, "@")
	return ok && id.Verified && slices.ContainsFunc(a.Domains, func(d string) bool { return strings.EqualFold(d, domain) })
}

// role is what an identity's groups give, and whether they give one.
func (a Admission) role(id core.Identity) (core.AccountRole, bool) {
	for _, g := range a.Roles {
		if slices.Contains(id.Groups, g.Theirs) && g.Role != core.AccountAdmin {
			return g.Role, true
		}
	}
	return a.Role, false
}

// groupFor is the id of the group that an identity's groups lead to; empty for none.
func (s *Service) groupFor(ctx context.Context, id core.Identity, a Admission) (string, error) {
	for _, g := range a.Groups {
		if !slices.Contains(id.Groups, g.Theirs) {
			continue
		}
		list, err := s.groups.List(ctx)
		if err != nil {
			return "", err
		}
		for _, ours := range list {
			if strings.EqualFold(ours.Name, g.Ours) {
				return ours.ID, nil
			}
		}
		return "", core.Errorf(core.CodeForbidden, "The group %q, which you belong to, does not exist on this server. An admin has to make it, or change auth.oidc.groups.", g.Ours)
	}
	return "", nil
}

// given reports whether a group of this server is one that groups of the provider's lead to.
func (s *Service) given(ctx context.Context, id string, a Admission) (bool, error) {
	if len(a.Groups) == 0 {
		return false, nil
	}
	list, err := s.groups.List(ctx)
	if err != nil {
		return false, err
	}
	at := slices.IndexFunc(list, func(g core.Group) bool { return g.ID == id })
	return at >= 0 && slices.ContainsFunc(a.Groups, func(g GroupName) bool { return strings.EqualFold(g.Ours, list[at].Name) }), nil
}

// newcomer links an identity to the account that it fits, or makes one.
func (s *Service) newcomer(ctx context.Context, id core.Identity, a Admission, role core.AccountRole) (core.User, error) {
	if a.ByEmail && id.Verified && id.Email != "" {
		u, err := s.byEmail(ctx, id)
		if err != nil || u.ID != "" {
			return u, err
		}
	}
	if !a.Create {
		return core.User{}, core.Errorf(core.CodeForbidden, "You have no account on this server. An admin can give you one: `ashatai user create NAME`, then `ashatai user link NAME %s`.", id.Subject)
	}
	email := "" // an address that nobody verified would stand in the way of its owner, see byEmail
	if id.Verified && checkEmail(id.Email) == nil {
		email = id.Email
	}
	now := s.cfg.Now().UTC()
	base := nameOf(id)
	for n := 1; ; n++ {
		name := base
		if n > 1 {
			name = base + "-" + strconv.Itoa(n)
		}
		u := core.User{ID: newID(userID), Name: name, Email: email, Role: role, Subject: id.Key(), Created: now, Updated: now}
		err := s.users.Create(ctx, u, false)
		if err == nil {
			return u, nil
		}
		// Two logins of one identity at once make one account.
		if u, found, e := s.users.BySubject(ctx, id.Key()); e != nil || found {
			return u, e
		}
		if core.CodeOf(err) != core.CodeConflict || n >= maxSameName {
			return core.User{}, err
		}
	}
}

const maxSameName = 50 // accounts whose names differ in a number only

// byEmail links the account with an identity's address, where there is just one and it is no admin's and no other identity's.
func (s *Service) byEmail(ctx context.Context, id core.Identity) (core.User, error) {
	list, err := s.users.List(ctx)
	if err != nil {
		return core.User{}, err
	}
	var fit []core.User
	for _, u := range list {
		if strings.EqualFold(u.Email, id.Email) {
			fit = append(fit, u)
		}
	}
	if len(fit) == 0 {
		return core.User{}, nil
	}
	if len(fit) > 1 || fit[0].Subject != "" || fit[0].Role == core.AccountAdmin {
		return core.User{}, core.Errorf(core.CodeForbidden, "The account with your address cannot be linked by the address alone. An admin can do it: `ashatai user link NAME %s`.", id.Subject)
	}
	return s.users.Change(ctx, fit[0].ID, string(core.AccountAdmin), func(u *core.User) error {
		if u.Subject != "" || u.Role == core.AccountAdmin || !strings.EqualFold(u.Email, id.Email) {
			return core.Errorf(core.CodeConflict, "The account was changed meanwhile. Begin the login again.")
		}
		u.Subject, u.Updated = id.Key(), s.cfg.Now().UTC()
		return nil
	})
}

// nameOf makes a name for a new account: what the person is called at the provider, as far as a name here can hold it.
func nameOf(id core.Identity) string {
	const room = 8 // for a number behind it
	local, _, _ := strings.Cut(id.Email, "@")
	for _, text := range []string{id.Name, local} {
		name := strings.Map(func(r rune) rune {
			if r < 0x80 && checkName("a"+string(r)) == nil {
				return r
			}
			if r == ' ' {
				return '-'
			}
			return -1
		}, text)
		name = strings.TrimLeft(name, "._-@")
		if len(name) > maxName-room {
			name = name[:maxName-room]
		}
		if name != "" && checkName(name) == nil {
			return name
		}
	}
	sum := sha256.Sum256([]byte(id.Key()))
	return "user-" + hex.EncodeToString(sum[:4])
}
