package config

import (
	"reflect"

	"ashatai/internal/feature"
)

// Features settings, one for each flag of internal/feature; a test compares the two.
type Features struct {
	OpenAI     string `key:"openai" pattern:"exposure" doc:"Stable. The OpenAI API: chat completions, completions and models under /v1."`
	Responses  string `key:"responses" pattern:"exposure" doc:"Stable. Responses, conversations and stored chats of the OpenAI API."`
	Embeddings string `key:"embeddings" pattern:"exposure" doc:"Stable. Vectors of texts, by the OpenAI API and by Ollama's."`
	Rerank     string `key:"rerank" pattern:"exposure" doc:"Beta. Sorting documents by a query, at /v1/rerank."`
	Anthropic  string `key:"anthropic" pattern:"exposure" doc:"Stable. Anthropic's messages at /v1/messages."`
	Ollama     string `key:"ollama" pattern:"exposure" doc:"Stable. Ollama's API under /api."`
	OIP        string `key:"oip" pattern:"exposure" doc:"Beta. The Open Inference Protocol under /v2."`
	Legacy     string `key:"legacy" pattern:"exposure" doc:"Stable. The calls of earlier ASHATAI servers under /api/ai, /api/auth, /api/user and /api/admin."`
	Page       string `key:"page" pattern:"exposure" doc:"Stable. The page for browsers."`
	Chats      string `key:"chats" pattern:"exposure" doc:"Stable. Chats of the page, kept on the server."`
	Activity   string `key:"activity" pattern:"exposure" doc:"Stable. What is being answered now, for the page."`
	Jobs       string `key:"jobs" pattern:"exposure" doc:"Stable. Looking at and cancelling what the server does on its own."`
	Pull       string `key:"pull" pattern:"exposure" doc:"Stable. Installing models from hubs, registries and addresses."`
	Create     string `key:"create" pattern:"exposure" doc:"Stable. Making models of other ones or of files, and giving them further names."`
	Optimize   string `key:"optimize" pattern:"exposure" doc:"Beta. Looking for weights that are nearly the same and faster on this machine."`
	Quotas     string `key:"quotas" pattern:"exposure" doc:"Beta. Limits of accounts, groups, keys and models, and what was used of them."`
	OIDC       string `key:"oidc" pattern:"exposure" doc:"Beta. Login by an identity provider, where auth.oidc names one."`
}

// Said is what the settings say of features, by name.
func (f Features) Said() map[feature.Name]string {
	out := map[feature.Name]string{}
	for field, v := range reflect.ValueOf(f).Fields() {
		if v.Len() > 0 {
			out[feature.Name(field.Tag.Get("key"))] = v.String()
		}
	}
	return out
}
