package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"ashatai/internal/core"
)

// Auth settings.
type Auth struct {
	OIDC OIDC `key:"oidc" doc:"Login by an identity provider that speaks OpenID Connect."`
}

// OIDC settings: an identity provider.
type OIDC struct {
	Issuer       string   `key:"issuer" pattern:"issuer" doc:"Address of the identity provider, exactly as it names itself (the issuer), as https://login.example.org/realms/lab; empty: there is none."`
	ClientID     string   `key:"client_id" doc:"What the provider calls this server."`
	ClientSecret string   `key:"client_secret" secret:"true" doc:"What this server proves itself with to the provider; empty: it is a public client. Better sealed, or in the environment as ASHATAI__AUTH__OIDC__CLIENT_SECRET."`
	Label        string   `key:"label" doc:"Name of the provider on the page's button."`
	RedirectURL  string   `key:"redirect_url" pattern:"url" doc:"Address of this server's /api/v1/oidc/callback as browsers reach it and the provider knows it; empty: made of the address that the browser asked."`
	Scopes       []string `key:"scopes" doc:"What the provider is asked for; openid always is."`

	NameClaim   string   `key:"name_claim" doc:"Claim that a new account's name is made of."`
	GroupsClaim string   `key:"groups_claim" doc:"Claim that lists the groups that roles and groups go by."`
	Roles       []string `key:"roles" pattern:"role_of" doc:"Which role whose group gives, as ml-team=publisher; of several that fit the first one counts, at every login. None is admin: that is given by an admin of this server alone."`
	Role        string   `key:"role" enum:",viewer,user,publisher,moderator,operator" doc:"Role of a new account where roles say nothing; empty: nobody gets in whom roles do not name."`
	Groups      []string `key:"groups" pattern:"group_of" doc:"Which group of this server the members of theirs are in, as ml-team=research; of several that fit the first one counts, at every login."`
	Domains     []string `key:"allowed_domains" doc:"Domains of the verified e-mail addresses that may log in; empty: any, with or without an address."`

	Create       bool   `key:"create" doc:"Make an account for whoever logs in and has none. Otherwise an admin makes it, and links it with ashatai user link."`
	Link         string `key:"link" enum:",email" doc:"email: who logs in first time gets the account with the same verified e-mail address, unless it is an admin's. Empty: accounts are linked by an admin."`
	AllowPrivate bool   `key:"allow_private" doc:"The provider may have a private address, and plain http there."`
}

// On reports whether there is an identity provider.
func (o OIDC) On() bool { return o.Issuer != "" }

// checkIssuer never repeats the address: somebody may have put a password into it.
func checkIssuer(s string) error {
	u, err := url.Parse(s)
	if s != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		return errors.New("this is no issuer; write it as the provider's /.well-known/openid-configuration does, as https://login.example.org")
	}
	return nil
}

// Pair is "theirs=ours".
type Pair struct{ Theirs, Ours string }

// Pairs reads lists that were checked before. The last equals sign divides: names of theirs may hold others.
func Pairs(list []string) []Pair {
	var out []Pair
	for _, s := range list {
		if i := strings.LastIndexByte(s, '='); i > 0 {
			out = append(out, Pair{strings.TrimSpace(s[:i]), strings.TrimSpace(s[i+1:])})
		}
	}
	return out
}

func checkPair(s string) (Pair, error) {
	p := Pairs([]string{s})
	if len(p) == 0 || p[0].Theirs == "" || p[0].Ours == "" {
		return Pair{}, fmt.Errorf("%q is no pair; write THEIR-GROUP=OURS", s)
	}
	return p[0], nil
}

func checkRoleOf(s string) error {
	p, err := checkPair(s)
	if err != nil {
		return err
	}
	role, err := core.ParseAccountRole("", p.Ours)
	if err != nil {
		return errors.New(strings.TrimSuffix(core.AsError(err).Message, "."))
	}
	if role == core.AccountAdmin {
		return errors.New("nobody becomes an admin by what a provider says; give that role with `ashatai user role NAME admin`")
	}
	return nil
}

// refuseOIDC stops the start where the settings of the identity provider do not fit together.
func refuseOIDC(s *Settings, from map[string]origin) error {
	const section = "auth.oidc."
	o := s.Auth.OIDC
	wrong := func(key, text string) error {
		at := from[section+key]
		if at.name == "" {
			at = from[section+"issuer"]
		}
		return core.Invalid(section+key, "%s: %s%s %s.", at, section, key, text)
	}
	switch {
	case !o.On() && o.ClientID == "" && o.ClientSecret == "":
		return nil
	case !o.On():
		return wrong("issuer", "is missing: without it nobody is asked who somebody is")
	case o.ClientID == "":
		return wrong("client_id", "is missing: the provider gives it when this server is registered with it")
	case strings.HasPrefix(strings.ToLower(o.Issuer), "http:") && !o.AllowPrivate:
		return wrong("issuer", "is plain http, where anybody on the way could say who somebody is. Only a provider on a network of one's own may be, with auth.oidc.allow_private")
	case o.Link != "" && s.Accounts.Registration:
		return wrong("link", "is set while accounts.registration lets strangers make accounts with any address: one of them could wait for its owner to log in. Turn one of the two off")
	case o.Role == "" && len(o.Roles) == 0:
		return wrong("role", "is empty and auth.oidc.roles too, so nobody could get in")
	case slices.ContainsFunc(o.Domains, func(d string) bool { return d == "" || strings.ContainsAny(d, "@ ") }):
		return wrong("allowed_domains", "lists what follows the @ of an address, as example.org")
	}
	return nil
}
