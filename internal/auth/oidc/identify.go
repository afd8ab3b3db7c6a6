package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"strings"

	provider "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"ashatai/internal/core"
)

const (
	maxClaim  = 254 // characters of a name, an address, a group
	maxGroups = 1000
)

// identify checks an ID token, and reads who it is about.
func (s *Service) identify(ctx context.Context, found *provider.Provider, cfg oauth2.Config, token *oauth2.Token, nonce string) (core.Identity, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return core.Identity{}, unproven(errors.New("there is no ID token"))
	}
	s.mu.Lock()
	keys := s.keys
	s.mu.Unlock()
	// The algorithms are those that the provider names and that need no shared secret.
	var meta struct {
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
	}
	_ = found.Claims(&meta) // it was read once
	id, err := provider.NewVerifier(s.cfg.Issuer, keys, &provider.Config{ClientID: cfg.ClientID, SupportedSigningAlgs: asymmetric(meta.Algorithms), Now: s.cfg.Now}).Verify(ctx, raw)
	if err != nil {
		return core.Identity{}, unproven(err)
	}
	var claims claims
	if err := id.Claims(&claims); err != nil {
		return core.Identity{}, unproven(errors.New("the claims cannot be read"))
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1:
		return core.Identity{}, unproven(errors.New("the nonce is that of another login"))
	case len(id.Audience) > 1 && claims.text("azp") != cfg.ClientID || claims.text("azp") != "" && claims.text("azp") != cfg.ClientID:
		return core.Identity{}, unproven(errors.New("the token was made for another client"))
	case id.Subject == "" || len(id.Subject) > maxClaim || strings.ContainsFunc(id.Subject, control):
		return core.Identity{}, unproven(errors.New("there is no usable subject"))
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return core.Identity{}, unproven(err)
		}
	}
	if !claims.has("email", s.cfg.NameClaim, s.cfg.GroupsClaim) && found.UserInfoEndpoint() != "" {
		if err := more(ctx, found, token, id.Subject, claims); err != nil {
			return core.Identity{}, err
		}
	}
	return core.Identity{
		Issuer: s.cfg.Issuer, Subject: id.Subject, Name: claims.text(s.cfg.NameClaim), Email: claims.text("email"),
		Verified: claims.yes("email_verified"), Groups: claims.list(s.cfg.GroupsClaim),
	}, nil
}

// more adds what the provider tells only at its UserInfo endpoint. The token's own claims win.
func more(ctx context.Context, found *provider.Provider, token *oauth2.Token, subject string, into claims) error {
	info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return core.Wrap(core.CodeUnavailable, err, "The identity provider did not tell about the account. Try again later.")
	}
	if info.Subject != subject {
		return unproven(errors.New("the UserInfo endpoint tells of somebody else"))
	}
	var extra claims
	if err := info.Claims(&extra); err != nil {
		return unproven(errors.New("the claims of the UserInfo endpoint cannot be read"))
	}
	// Whether an address is verified is said of the one that it is said with.
	if _, ok := into["email"]; !ok {
		delete(into, "email_verified")
	} else if into.text("email") != extra.text("email") {
		delete(extra, "email_verified")
	}
	for name, value := range extra {
		if _, ok := into[name]; !ok {
			into[name] = value
		}
	}
	return nil
}

// asymmetric leaves out algorithms whose key the client shares, and none at all.
func asymmetric(list []string) []string {
	var out []string
	for _, a := range list {
		switch a {
		case provider.RS256, provider.RS384, provider.RS512, provider.ES256, provider.ES384, provider.ES512, provider.PS256, provider.PS384, provider.PS512, provider.EdDSA:
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		out = []string{provider.RS256} // which every provider has
	}
	return out
}

func unproven(cause error) error {
	return core.Wrap(core.CodeUnauthenticated, cause, "What the identity provider answered does not prove who you are. Begin the login again; an admin finds the reason in the server's log.")
}

// claims are what a provider says of somebody.
type claims map[string]json.RawMessage

func (c claims) has(names ...string) bool {
	for _, n := range names {
		if _, ok := c[n]; !ok && n != "" {
			return false
		}
	}
	return true
}

// text is a claim that is a string; what is too long or cannot be shown counts as none.
func (c claims) text(name string) string {
	var s string
	if json.Unmarshal(c[name], &s) != nil || len(s) > maxClaim || strings.ContainsFunc(s, control) {
		return ""
	}
	return s
}

// yes is a claim that is true. Some providers write it as a string.
func (c claims) yes(name string) bool {
	var b bool
	return json.Unmarshal(c[name], &b) == nil && b || c.text(name) == "true"
}

// list is a claim that lists strings, or is one.
func (c claims) list(name string) []string {
	var all []any
	if json.Unmarshal(c[name], &all) != nil {
		if s := c.text(name); s != "" {
			return []string{s}
		}
		return nil
	}
	var out []string
	for _, x := range all {
		if s, ok := x.(string); ok && s != "" && len(s) <= maxClaim && len(out) < maxGroups {
			out = append(out, s)
		}
	}
	return out
}

func control(r rune) bool { return r < ' ' || r == 0x7f }
