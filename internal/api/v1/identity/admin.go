package identity

import (
	"net/http"
	"strconv"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

func (h handlers) users(w http.ResponseWriter, r *http.Request) error {
	list, err := h.Users.Users(r.Context())
	if err != nil {
		return err
	}
	out := UserList{Users: []User{}}
	for _, u := range list {
		out.Users = append(out.Users, userOf(u))
	}
	return api.WriteJSON(w, http.StatusOK, out)
}

func (h handlers) createUser(w http.ResponseWriter, r *http.Request) error {
	var req UserRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	n := core.NewUser{Name: req.Name, Email: req.Email, Password: req.Password, Role: core.AccountUser, Group: req.Group}
	var err error
	if req.Role != "" {
		if n.Role, err = core.ParseAccountRole("role", req.Role); err != nil {
			return err
		}
	}
	if n.Grants, err = parse("grants", req.Grants); err != nil {
		return err
	}
	u, err := h.Users.CreateUser(r.Context(), n)
	if err == nil {
		api.NoteObject(r.Context(), u.ID)
		api.NoteDetail(r.Context(), "role "+string(u.Role))
	}
	return answer(w, u, err)
}

func answer(w http.ResponseWriter, u core.User, err error) error {
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, userOf(u))
}

func (h handlers) user(w http.ResponseWriter, r *http.Request) error {
	u, err := h.Users.User(r.Context(), r.PathValue("id"))
	return answer(w, u, err)
}

func (h handlers) patchUser(w http.ResponseWriter, r *http.Request) error {
	var req UserPatch
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	c := core.UserChange{Name: req.Name, Email: req.Email, Group: req.Group, Disabled: req.Disabled}
	if req.Role != nil {
		role, err := core.ParseAccountRole("role", *req.Role)
		if err != nil {
			return err
		}
		c.Role = &role
	}
	if req.Grants != nil {
		grants, err := parse("grants", *req.Grants)
		if err != nil {
			return err
		}
		c.Grants = &grants
	}
	if req.Subject != nil {
		subject, err := h.subject(*req.Subject)
		if err != nil {
			return err
		}
		c.Subject = &subject
	}
	api.NoteDetail(r.Context(), changes(c))
	u, err := h.Users.ChangeUser(r.Context(), r.PathValue("id"), c)
	return answer(w, u, err)
}

// subject is what an account keeps of its owner's id at the identity provider.
func (h handlers) subject(id string) (string, error) {
	switch {
	case id == "":
		return "", nil
	case h.Issuer == "":
		return "", core.Invalid("subject", "There is no identity provider to link the account to: set auth.oidc first.")
	case len(id) > maxSubject || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", core.Invalid("subject", "An id at an identity provider has at most %d printable characters.", maxSubject)
	}
	return core.SubjectKey(h.Issuer, id), nil
}

const maxSubject = 254

// changes says what a change is about, without names and addresses, which would outlive the account in the record.
func changes(c core.UserChange) string {
	var list []string
	if c.Name != nil {
		list = append(list, "name")
	}
	if c.Email != nil {
		list = append(list, "email")
	}
	if c.Role != nil {
		list = append(list, "role "+string(*c.Role))
	}
	if c.Grants != nil {
		list = append(list, "grants "+c.Grants.String())
	}
	if c.Group != nil {
		list = append(list, "group "+*c.Group)
	}
	if c.Subject != nil {
		list = append(list, "identity "+map[bool]string{true: "linked", false: "unlinked"}[*c.Subject != ""])
	}
	if c.Disabled != nil {
		list = append(list, "disabled "+strconv.FormatBool(*c.Disabled))
	}
	return strings.Join(list, ", ")
}

func (h handlers) setPassword(w http.ResponseWriter, r *http.Request) error {
	var req PasswordRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	// An admin who does this to itself stays logged in here.
	if err := h.Users.SetPassword(r.Context(), r.PathValue("id"), req.Password, core.PrincipalFrom(r.Context()).Session); err != nil {
		return err
	}
	return done(w)
}

func (h handlers) deleteUser(w http.ResponseWriter, r *http.Request) error {
	if err := h.Users.DeleteUser(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	return done(w)
}

func (h handlers) groups(w http.ResponseWriter, r *http.Request) error {
	list, err := h.Groups.Groups(r.Context())
	if err != nil {
		return err
	}
	out := GroupList{Groups: []Group{}}
	for _, g := range list {
		out.Groups = append(out.Groups, Group{ID: g.ID, Name: g.Name, Created: g.Created})
	}
	return api.WriteJSON(w, http.StatusOK, out)
}

func (h handlers) createGroup(w http.ResponseWriter, r *http.Request) error {
	var req GroupRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	g, err := h.Groups.CreateGroup(r.Context(), req.Name)
	if err != nil {
		return err
	}
	api.NoteObject(r.Context(), g.ID)
	return api.WriteJSON(w, http.StatusOK, Group{ID: g.ID, Name: g.Name, Created: g.Created})
}

func (h handlers) renameGroup(w http.ResponseWriter, r *http.Request) error {
	var req GroupRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	if err := h.Groups.RenameGroup(r.Context(), r.PathValue("id"), req.Name); err != nil {
		return err
	}
	return done(w)
}

func (h handlers) deleteGroup(w http.ResponseWriter, r *http.Request) error {
	if err := h.Groups.DeleteGroup(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	return done(w)
}
