package ollama

import (
	"context"
	"net/http"
	"time"

	"ashatai/internal/api"
)

// progress is a line about something that takes its time. The last one has the status "success", or is an error.
type progress struct {
	Status    string `json:"status"`
	Digest    string `json:"digest,omitempty"`
	Total     int64  `json:"total,omitempty" doc:"bytes in all, where known"`
	Completed int64  `json:"completed,omitempty" doc:"bytes done"`
}

// progressEvery bounds how many lines a fast download writes; a change of status is always told.
const progressEvery = 100 * time.Millisecond

// lines runs do and writes what it tells as lines of JSON, or one object at the end where stream is false. Do gets a
// context that ends when the client stops reading.
func (h *handler) lines(w http.ResponseWriter, r *http.Request, stream *bool, do func(ctx context.Context, tell func(progress)) error) error {
	done := progress{Status: "success"}
	if stream != nil && !*stream {
		if err := do(r.Context(), func(progress) {}); err != nil {
			return err
		}
		return api.WriteJSON(w, http.StatusOK, done)
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	out := api.NewNDJSON(w, 0)
	var last progress
	var at time.Time
	err := do(ctx, func(p progress) {
		now := h.Now()
		whole := p.Total > 0 && p.Completed >= p.Total
		if p == last || p.Status == last.Status && !whole && now.Sub(at) < progressEvery {
			return
		}
		last, at = p, now
		if err := out.Write(p); err != nil {
			cancel(err)
		}
	})
	if err != nil {
		return fail(out, err)
	}
	return out.Write(done)
}
