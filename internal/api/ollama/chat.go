package ollama

import (
	"net/http"

	"ashatai/internal/api"
)

// chat answers POST /api/chat.
func (h *handler) chat(w http.ResponseWriter, r *http.Request) error {
	began := h.Now()
	var body chatRequest
	if err := api.DecodeJSON(r, maxBody, &body); err != nil {
		return err
	}
	req, size, err := body.request(h.fields.chat)
	if err != nil {
		return err
	}
	form := chatShape{body.Model}
	if len(req.Messages) == 0 {
		return h.keep(w, r, form, &body.common, size, began)
	}
	own(req, w, r)
	return h.serving(w, r, form, &body.common, size, began).run(r.Context(), req)
}
