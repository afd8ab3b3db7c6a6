// Package feature is the list of the server's features: one named flag for each, with its phase, and for whom it is open.
// It decides nothing but that, keeps nothing, and knows no feature's code: routes carry the names, and the gate asks.
package feature

import (
	"fmt"
	"slices"
	"strings"

	"ashatai/internal/core"
)

// Name is a feature's, as settings and routes write it. Empty is what belongs to no feature and is always there.
type Name string

// The features.
const (
	None       Name = ""
	OpenAI     Name = "openai"
	Responses  Name = "responses"
	Embeddings Name = "embeddings"
	Rerank     Name = "rerank"
	Anthropic  Name = "anthropic"
	Ollama     Name = "ollama"
	OIP        Name = "oip"
	Legacy     Name = "legacy"
	Page       Name = "page"
	Chats      Name = "chats"
	Activity   Name = "activity"
	Jobs       Name = "jobs"
	Pull       Name = "pull"
	Create     Name = "create"
	Optimize   Name = "optimize"
	Quotas     Name = "quotas"
	OIDC       Name = "oidc"
)

// Phase says how far a feature is.
type Phase string

// The phases. A feature in alpha is off until somebody turns it on; the others are on.
const (
	Alpha  Phase = "alpha"  // may be wrong, change or go
	Beta   Phase = "beta"   // works, and its form may still change
	Stable Phase = "stable" // stays as it is
)

// Flag is one feature.
type Flag struct {
	Name  Name
	Phase Phase
	About string // one sentence
}

// Default is for whom a feature is open where nobody said: nobody in alpha, else everybody.
func (f Flag) Default() Exposure { return Exposure{On: f.Phase != Alpha} }

// All lists the features, in the order in which they are shown.
func All() []Flag {
	return []Flag{
		{OpenAI, Stable, "The OpenAI API: chat completions, completions and models under /v1."},
		{Responses, Stable, "Responses, conversations and stored chats of the OpenAI API."},
		{Embeddings, Stable, "Vectors of texts, by the OpenAI API and by Ollama's."},
		{Rerank, Beta, "Sorting documents by a query, at /v1/rerank."},
		{Anthropic, Stable, "Anthropic's messages at /v1/messages."},
		{Ollama, Stable, "Ollama's API under /api."},
		{OIP, Beta, "The Open Inference Protocol under /v2."},
		{Legacy, Stable, "The calls of earlier ASHATAI servers under /api/ai, /api/auth, /api/user and /api/admin."},
		{Page, Stable, "The page for browsers."},
		{Chats, Stable, "Chats of the page, kept on the server."},
		{Activity, Stable, "What is being answered now, for the page."},
		{Jobs, Stable, "Looking at and cancelling what the server does on its own."},
		{Pull, Stable, "Installing models from hubs, registries and addresses."},
		{Create, Stable, "Making models of other ones or of files, and giving them further names."},
		{Optimize, Beta, "Looking for weights that are nearly the same and faster on this machine."},
		{Quotas, Beta, "Limits of accounts, groups, keys and models, and what was used of them."},
		{OIDC, Beta, "Login by an identity provider, where auth.oidc names one."},
	}
}

// Find returns a feature by its name.
func Find(name string) (Flag, bool) { return find(All(), name) }

func find(all []Flag, name string) (Flag, bool) {
	i := slices.IndexFunc(all, func(f Flag) bool { return string(f.Name) == name })
	if i < 0 {
		return Flag{}, false
	}
	return all[i], true
}

// Exposure says for whom a feature is open.
type Exposure struct {
	On    bool
	Roles []core.AccountRole // only these; empty: everybody
}

// ParseExposure reads "on", "off" or roles with commas between them. Empty is neither: it reports false.
func ParseExposure(text string) (Exposure, bool, error) {
	switch low := strings.ToLower(strings.TrimSpace(text)); low {
	case "":
		return Exposure{}, false, nil
	case "on", "true":
		return Exposure{On: true}, true, nil
	case "off", "false":
		return Exposure{}, true, nil
	}
	e := Exposure{On: true}
	for name := range strings.SplitSeq(text, ",") {
		r, err := core.ParseAccountRole("", strings.TrimSpace(name))
		if err != nil {
			return Exposure{}, false, fmt.Errorf("%.80q is neither on, off nor roles such as operator,admin", text)
		}
		if !slices.Contains(e.Roles, r) {
			e.Roles = append(e.Roles, r)
		}
	}
	return e, true, nil
}

// String writes an exposure as ParseExposure reads it.
func (e Exposure) String() string {
	switch {
	case !e.On:
		return "off"
	case len(e.Roles) == 0:
		return "on"
	}
	names := make([]string, len(e.Roles))
	for i, r := range e.Roles {
		names[i] = string(r)
	}
	return strings.Join(names, ",")
}

// Has reports whether the feature is open for a role; an empty one is a caller whom nobody knows.
func (e Exposure) Has(role core.AccountRole) bool {
	return e.On && (len(e.Roles) == 0 || slices.Contains(e.Roles, role))
}
