// Package sso joins an identity provider to the accounts: it asks the one that the settings name, through the guarded client,
// and lets in whom it vouches for. It decides nothing that the settings do not say.
package sso

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"ashatai/internal/auth"
	"ashatai/internal/auth/oidc"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/netx"
)

// Options say what to join. All are needed.
type Options struct {
	Settings config.OIDC
	Allow    []string // what may be reached besides, see netx
	Agent    string   // of the requests
	Users    *auth.Service
	Box      oidc.Box
	Secret   func(ctx context.Context) (string, error) // what the server proves itself with to the provider
}

// Provider is one identity provider.
type Provider struct {
	own    []string // of the allow-list
	egress *netx.Client
	oidc   *oidc.Service
	users  *auth.Service
	admit  auth.Admission
}

const (
	askTime  = 15 * time.Second
	maxBytes = 1 << 20 // of one answer of the provider
)

// New joins a provider. The caller closes it.
func New(o Options) (*Provider, error) {
	s := o.Settings
	u, err := url.Parse(s.Issuer)
	if err != nil {
		return nil, core.Invalid("auth.oidc.issuer", "The setting auth.oidc.issuer cannot be read.")
	}
	p := &Provider{users: o.Users, admit: admission(s)}
	policy := netx.Policy{MaxBytes: maxBytes, Timeout: askTime, UserAgent: o.Agent, Ports: []uint16{80, 443}}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[strings.ToLower(u.Scheme)]
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		policy.Ports = append(policy.Ports, uint16(n))
	}
	if s.AllowPrivate {
		p.own = []string{net.JoinHostPort(u.Hostname(), port)}
	}
	policy.Allow = slices.Concat(p.own, o.Allow)
	if p.egress, err = netx.New(policy); err != nil {
		return nil, err
	}
	p.oidc = oidc.New(oidc.Config{
		Issuer: s.Issuer, ClientID: s.ClientID, Secret: o.Secret, Scopes: s.Scopes, NameClaim: s.NameClaim, GroupsClaim: s.GroupsClaim,
		HTTP: p.egress, Box: o.Box,
	})
	return p, nil
}

// admission is what the settings say of who is let in.
func admission(s config.OIDC) auth.Admission {
	a := auth.Admission{Create: s.Create, ByEmail: s.Link == "email", Domains: s.Domains, Role: core.AccountRole(s.Role)}
	for _, p := range config.Pairs(s.Roles) {
		if role, err := core.ParseAccountRole("", p.Ours); err == nil { // it was checked as it was read
			a.Roles = append(a.Roles, auth.GroupRole{Theirs: p.Theirs, Role: role})
		}
	}
	for _, p := range config.Pairs(s.Groups) {
		a.Groups = append(a.Groups, auth.GroupName{Theirs: p.Theirs, Ours: p.Ours})
	}
	return a
}

// SetAllow puts another allow-list in place of the one that the provider was joined with.
func (p *Provider) SetAllow(list []string) error {
	return p.egress.SetAllow(slices.Concat(p.own, list))
}

// Close ends idle connections to the provider.
func (p *Provider) Close() error {
	p.egress.Close()
	return nil
}

// Begin says where to send a browser, and what it is to keep until it is back.
func (p *Provider) Begin(ctx context.Context, redirect string) (address, keep string, err error) {
	return p.oidc.Begin(ctx, redirect)
}

// Finish makes a session of what the browser was sent back with.
func (p *Provider) Finish(ctx context.Context, keep string, sent url.Values, from core.Client) (*core.Login, error) {
	id, err := p.oidc.Finish(ctx, keep, sent)
	if err != nil {
		return nil, err
	}
	return p.users.Admit(ctx, id, p.admit, from)
}
