package ollama

import (
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// errorBody is Ollama's error shape, as an answer and as the last line of a stream.
type errorBody struct {
	Error string `json:"error"`
}

// wordsOf is e for people. Clients look for Ollama's own words where a prompt is too long.
func wordsOf(e *core.Error) string {
	if e.Code == core.CodeContextExceeded {
		return "the input length exceeds the context length. " + e.Message
	}
	return e.Message
}

// WriteError answers with e in Ollama's shape. A failure to write is the client's leaving and of no consequence.
func WriteError(w http.ResponseWriter, _ *http.Request, e *core.Error) {
	_ = api.WriteJSON(w, api.ErrorHeaders(w, e), errorBody{wordsOf(e)})
}

// fail tells err as a stream's last line when the stream has begun. The error is returned in any case: to be answered, or
// only logged.
func fail(out *api.NDJSON, err error) error {
	if out.Started() {
		_ = out.Write(errorBody{wordsOf(core.AsError(err))}) // a client that left needs no word
	}
	return err
}

// needModel is the model that a request names under its present or its former field.
func needModel(model, former string) (string, error) {
	switch {
	case model == "" && former == "":
		return "", core.Invalid("model", "model is required; it names a model. GET /api/tags lists those that are installed.")
	case model == "":
		return former, nil
	case former != "" && former != model:
		return "", core.Invalid("name", "model is %s and name is %s; send one of them.", api.Show(model), api.Show(former))
	}
	return model, nil
}
