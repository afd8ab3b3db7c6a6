package auth

import (
	"context"
	"strings"

	"ashatai/internal/auth/password"
	"ashatai/internal/core"
)

const (
	maxName  = 64
	maxEmail = 254
	userID   = "usr_"
	groupID  = "grp_"
)

// checkName refuses names that look like something else: an id, another name, a path.
func checkName(name string) error {
	ok := name != "" && len(name) <= maxName && !strings.HasPrefix(strings.ToLower(name), userID) && !strings.HasPrefix(strings.ToLower(name), groupID)
	for i, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		ok = ok && (letter || i > 0 && strings.ContainsRune("._-@", c))
	}
	if !ok {
		return core.Invalid("name", "A name has 1 to %d letters, digits and . _ - @, begins with a letter or digit, and not with usr_ or grp_.", maxName)
	}
	return nil
}

func checkEmail(email string) error {
	at := strings.LastIndexByte(email, '@')
	if email == "" || len(email) <= maxEmail && at > 0 && at < len(email)-1 && strings.Trim(email, " ") == email && !strings.ContainsFunc(email, strange) {
		return nil
	}
	return core.Invalid("email", "%.80q is no e-mail address.", email)
}

func strange(r rune) bool {
	return r <= ' ' || r == 0x7f || r == '<' || r == '>' || r == '"' || r == ','
}

// CreateUser makes an account. Where there is none yet it must be an admin: somebody has to be able to make the next.
// Errors: CodeInvalidRequest, CodeConflict for a name that is taken, CodeNotFound for a group.
func (s *Service) CreateUser(ctx context.Context, n core.NewUser) (core.User, error) {
	some, err := s.Any(ctx)
	if err != nil {
		return core.User{}, err
	}
	if !some && n.Role != core.AccountAdmin {
		return core.User{}, core.Invalid("role", "The first account of a server is an admin, since only an admin can make others.")
	}
	return s.create(ctx, n, !some)
}

func (s *Service) create(ctx context.Context, n core.NewUser, first bool) (core.User, error) {
	if err := checkName(n.Name); err != nil {
		return core.User{}, err
	}
	if err := checkEmail(n.Email); err != nil {
		return core.User{}, err
	}
	if n.Role.Scopes() == 0 {
		return core.User{}, core.Invalid("role", "There is no role %.40q.", string(n.Role))
	}
	if err := checkGrants(n.Grants); err != nil {
		return core.User{}, err
	}
	hash := ""
	if n.Password != "" || first {
		if err := password.Check("password", n.Password); err != nil {
			return core.User{}, err
		}
		var err error
		if hash, err = s.hasher.Hash(ctx, n.Password); err != nil {
			return core.User{}, err
		}
	}
	now := s.cfg.Now().UTC()
	u := core.User{
		ID: newID(userID), Name: n.Name, Email: n.Email, Role: n.Role, Grants: grantText(n.Grants), Group: n.Group,
		Password: hash, Created: now, Updated: now,
	}
	s.making.Add(1)
	defer s.making.Add(1) // also where it failed: the database may have done it and could not say so
	if err := s.users.Create(ctx, u, first); err != nil {
		return core.User{}, err
	}
	s.some.Store(true)
	return u, nil
}

func checkGrants(g core.Scope) error {
	if g&^core.Grantable != 0 {
		return core.Invalid("grants", "Only %s can be granted beyond a role; the rest comes with a role.", core.Grantable)
	}
	return nil
}

func grantText(g core.Scope) string {
	if g == 0 {
		return ""
	}
	return g.String()
}

// User finds an account by its id or name. Errors: CodeNotFound.
func (s *Service) User(ctx context.Context, ref string) (core.User, error) {
	get := s.users.ByName
	if strings.HasPrefix(ref, userID) {
		get = s.users.Get
	}
	u, ok, err := get(ctx, ref)
	if err == nil && !ok {
		err = core.Errorf(core.CodeNotFound, "There is no account %.80q.", ref)
	}
	return u, err
}

// Users lists the accounts by name.
func (s *Service) Users(ctx context.Context) ([]core.User, error) { return s.users.List(ctx) }

// ChangeUser changes an account, found by id or name. Its sessions end where it is disabled or gets another identity. Errors: CodeNotFound,
// CodeInvalidRequest, CodeConflict for the last admin.
func (s *Service) ChangeUser(ctx context.Context, ref string, c core.UserChange) (core.User, error) {
	u, err := s.User(ctx, ref)
	if err != nil {
		return core.User{}, err
	}
	if err := checkChange(c); err != nil {
		return core.User{}, err
	}
	u, err = s.users.Change(ctx, u.ID, string(core.AccountAdmin), func(u *core.User) error {
		applyChange(c, u)
		u.Updated = s.cfg.Now().UTC()
		return nil
	})
	if err == nil && (u.Disabled || c.Subject != nil) { // whoever came in by another identity is out, also where the caller left meanwhile
		err = s.logins.DeleteAll(context.WithoutCancel(ctx), u.ID, "")
	}
	return u, err
}

func checkChange(c core.UserChange) error {
	if c.Name != nil {
		if err := checkName(*c.Name); err != nil {
			return err
		}
	}
	if c.Email != nil {
		if err := checkEmail(*c.Email); err != nil {
			return err
		}
	}
	if c.Grants != nil {
		return checkGrants(*c.Grants)
	}
	return nil
}

func applyChange(c core.UserChange, u *core.User) {
	if c.Name != nil {
		u.Name = *c.Name
	}
	if c.Email != nil {
		u.Email = *c.Email
	}
	if c.Role != nil {
		u.Role = *c.Role
	}
	if c.Grants != nil {
		u.Grants = grantText(*c.Grants)
	}
	if c.Group != nil {
		u.Group = *c.Group
	}
	if c.Disabled != nil {
		u.Disabled = *c.Disabled
	}
	if c.Subject != nil {
		u.Subject = *c.Subject
	}
}

// SetPassword gives an account, found by id or name, another password and ends its sessions but one. Errors: CodeNotFound,
// CodeInvalidRequest.
func (s *Service) SetPassword(ctx context.Context, ref, next, butSession string) error {
	if err := password.Check("password", next); err != nil {
		return err
	}
	u, err := s.User(ctx, ref)
	if err != nil {
		return err
	}
	return s.setPassword(ctx, u.ID, next, butSession, nil)
}

// setPassword puts a password in place. With old it does so only while that hash is still the account's: an admin may have
// reset it meanwhile.
func (s *Service) setPassword(ctx context.Context, id, next, butSession string, old *string) error {
	hash, err := s.hasher.Hash(ctx, next)
	if err != nil {
		return err
	}
	_, err = s.users.Change(ctx, id, string(core.AccountAdmin), func(u *core.User) error {
		if old != nil && u.Password != *old {
			return core.Errorf(core.CodeConflict, "The password was changed meanwhile. Log in with the new one.")
		}
		u.Password, u.Updated = hash, s.cfg.Now().UTC()
		return nil
	})
	if err != nil {
		return err
	}
	return s.logins.DeleteAll(context.WithoutCancel(ctx), id, butSession) // also where the caller left meanwhile
}

// ChangePassword is SetPassword for an account's owner, who must know the old one. Errors: CodeForbidden for a wrong one.
func (s *Service) ChangePassword(ctx context.Context, p core.Principal, old, next string) error {
	u, err := s.User(ctx, p.User)
	if err != nil {
		return err
	}
	pair, _, _ := tryRates()
	if err := s.tries.take(s.cfg.Now(), []string{"change " + u.ID}, []rate{pair}); err != nil {
		return err
	}
	ok, _, err := s.hasher.Verify(ctx, u.Password, old)
	if err != nil {
		return err
	}
	if !ok {
		return core.Errorf(core.CodeForbidden, "The old password is wrong.")
	}
	if err := password.Check("password", next); err != nil {
		return err
	}
	return s.setPassword(ctx, u.ID, next, p.Session, &u.Password)
}

// DeleteUser removes an account, found by id or name, and everything that it stored. Errors: CodeNotFound, CodeConflict for
// the last admin.
func (s *Service) DeleteUser(ctx context.Context, ref string) error {
	u, err := s.User(ctx, ref)
	if err != nil {
		return err
	}
	_, err = s.users.Delete(ctx, u.ID, string(core.AccountAdmin))
	return err
}

// CreateGroup makes a group. Errors: CodeInvalidRequest, CodeConflict.
func (s *Service) CreateGroup(ctx context.Context, name string) (core.Group, error) {
	if err := checkName(name); err != nil {
		return core.Group{}, err
	}
	g := core.Group{ID: newID(groupID), Name: name, Created: s.cfg.Now().UTC()}
	return g, s.groups.Create(ctx, g)
}

// Groups lists the groups by name.
func (s *Service) Groups(ctx context.Context) ([]core.Group, error) { return s.groups.List(ctx) }

// RenameGroup gives a group another name. Errors: CodeInvalidRequest, CodeConflict, CodeNotFound.
func (s *Service) RenameGroup(ctx context.Context, id, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return noGroup(id)(s.groups.Rename(ctx, id, name))
}

// DeleteGroup removes a group without members. Errors: CodeConflict, CodeNotFound.
func (s *Service) DeleteGroup(ctx context.Context, id string) error {
	return noGroup(id)(s.groups.Delete(ctx, id))
}

func noGroup(id string) func(bool, error) error {
	return func(ok bool, err error) error {
		if err == nil && !ok {
			err = core.Errorf(core.CodeNotFound, "There is no group %.60q.", id)
		}
		return err
	}
}
