package native

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

type processRequest struct {
	Prompt    string  `json:"prompt" required:"true"`
	ModelName *string `json:"modelName,omitempty" doc:"a model's name or its file name; absent: the default chat model"`
}

// Open implements api.Open.
func (*processRequest) Open() {}

type processAnswer struct {
	Success          bool    `json:"success"`
	ModelUsed        string  `json:"modelUsed"`
	Response         string  `json:"response"`
	ProcessingTimeMs int64   `json:"processingTimeMs"`
	Error            *string `json:"error"`
}

// start reads the request and has the prompt answered as a user's message.
// start begins an answer; one that is not streamed has no sse.
func (h *handler) start(w http.ResponseWriter, r *http.Request, sse *api.SSE) (*core.Stream, error) {
	var body processRequest
	if err := h.decode(r, &body); err != nil {
		return nil, err
	}
	if strings.TrimSpace(body.Prompt) == "" {
		return nil, core.Invalid("prompt", "Prompt cannot be empty")
	}
	req := &core.Request{
		ID:        w.Header().Get(api.HeaderRequestID),
		Principal: core.PrincipalFrom(r.Context()),
		Messages:  []core.Message{{Role: core.RoleUser, Content: body.Prompt}},
		MaxTokens: h.maxTokens,
	}
	if body.ModelName != nil {
		req.Model = *body.ModelName
	}
	s, err := sse.Queued(r.Context(), sse != nil, func(ctx context.Context) (*core.Stream, error) { return h.gen.Generate(ctx, req) })
	if err != nil {
		return nil, err
	}
	for _, kv := range [][2]string{
		{"X-Ashatai-Runtime", s.Placement.Runtime}, {"X-Ashatai-Device", s.Placement.Device}, {"X-Ashatai-Fallback", s.Placement.Fallback},
	} {
		if kv[1] != "" {
			w.Header().Set(kv[0], kv[1])
		}
	}
	return s, nil
}

// process answers POST /api/ai/process.
func (h *handler) process(w http.ResponseWriter, r *http.Request) error {
	began := h.now()
	s, err := h.start(w, r, nil)
	if err != nil {
		return err
	}
	var text strings.Builder
	for ev, err := range s.Events {
		if err != nil {
			return err
		}
		text.WriteString(ev.Text)
		if ev.Finish == core.FinishLength {
			w.Header().Set("X-Ashatai-Truncated", string(ev.Finish))
		}
	}
	used, err := h.fileName(r, s.Placement.Model)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, processAnswer{
		Success: true, ModelUsed: used, Response: text.String(), ProcessingTimeMs: since(began, h.now()),
	})
}

// fileName is how the old clients know a model: by its main file.
func (h *handler) fileName(r *http.Request, model string) (string, error) {
	m, err := h.models.Resolve(r.Context(), model)
	if err != nil {
		return "", err
	}
	if len(m.Files) == 0 {
		return m.Name, nil
	}
	return m.Files[0].Name, nil
}

func since(began, now time.Time) int64 { return max(now.Sub(began).Milliseconds(), 0) }

// processStream answers POST /api/ai/process/stream with pieces of plain text.
func (h *handler) processStream(w http.ResponseWriter, r *http.Request) error {
	sse := api.NewSSE(w, 0)
	s, err := h.start(w, r, sse)
	if err != nil {
		return fail(sse, err)
	}
	for ev, err := range s.Events {
		if err != nil {
			return fail(sse, err)
		}
		for _, piece := range pieces(ev.Text) {
			if err := sse.Data(piece); err != nil {
				return err
			}
		}
	}
	return sse.Data("[DONE]")
}

// pieces cuts a text that this stream's plain framing could mistake for its own words, its end or an error, into two
// harmless ones.
func pieces(text string) []string {
	switch {
	case text == "":
		return nil
	case text == "[DONE]", strings.HasPrefix(text, `{"error"`):
		return []string{text[:1], text[1:]}
	}
	return []string{text}
}

// fail tells err in the stream when it has begun. The error is returned in any case: to be answered, or only logged.
func fail(sse *api.SSE, err error) error {
	if sse.Started() {
		body, jsonErr := json.Marshal(errorBody{core.AsError(err).Message})
		if jsonErr == nil {
			_ = sse.Data(string(body)) // a client that left needs no word
		}
	}
	return err
}
