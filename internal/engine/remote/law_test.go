package remote

import (
	"path/filepath"
	"testing"

	"ashatai/internal/engine"
	"ashatai/internal/engine/enginetest"
	"ashatai/test/launch"
)

// TestEngineContract holds the runtime to the contract with another ASHATAI as the server, whose model is the mock.
func TestEngineContract(t *testing.T) {
	addr := launch.Site(t, "runtime.type=mock", "engine.sequences=3")
	rt := open(t, Server{Name: "other", URL: addr + "/v1"})
	path := Path("other", "smollm2:135m")
	// The other server tells how large a context it has for the model once it has loaded it.
	if got := ask(t.Context(), t, load(t, rt, engine.LoadSpec{Path: path}), chatRequest()); got.err != nil {
		t.Fatal(got.err)
	}
	const (
		noIDs   = "OpenAI's completions do not tell the ids of tokens"
		unknown = "what the other server has as its context or vocabulary, only that server knows"
	)
	enginetest.Run(t, func(*testing.T) engine.Runtime { return rt }, enginetest.Options{
		Spec: engine.LoadSpec{Path: path}, Embedding: &engine.LoadSpec{Path: path, Embedding: true}, Elsewhere: true,
		BadFile: Path("other", filepath.Base("no-such-model")),
		Skip: map[string]string{
			"logit bias forbids": noIDs, "untrusted control tokens are text": "a prompt that is continued as it is has no untrusted text; conversations are rendered by the server",
			"token ids out of range are refused": unknown,
			"vectors have unit length":           unknown,
		},
	})
}
