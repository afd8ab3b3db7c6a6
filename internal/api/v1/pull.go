package v1

import (
	"context"
	"net/http"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// progressEvery bounds how many lines a fast download writes; a change of status is always told.
const progressEvery = 100 * time.Millisecond

func (h handlers) pull(w http.ResponseWriter, r *http.Request) error {
	var req PullRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	if req.Source == "" {
		return core.Invalid("source", "The field source is missing; it is the name of a model in a hub or a registry, a URL, or the path of a file.")
	}
	if req.Detach {
		return h.detach(w, r, req)
	}
	return h.lines(w, r, req.Stream, func(ctx context.Context, tell func(PullProgress)) (*core.Manifest, error) {
		return h.c.Puller.Pull(ctx, req, tell)
	})
}

// detach begins a pull that goes on without the caller.
func (h handlers) detach(w http.ResponseWriter, r *http.Request, req PullRequest) error {
	if h.c.Jobs == nil {
		return core.Invalid("detach", "This server runs no jobs, so a pull needs a caller who waits.")
	}
	j, err := h.c.Jobs.Pull(r.Context(), req)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, PullProgress{Job: j.ID, Status: string(j.State)})
}

// lines runs do and writes what it tells as lines of JSON with the model at the end, or only that where stream is false. Do
// gets a context that ends when the client stops reading.
func (h handlers) lines(w http.ResponseWriter, r *http.Request, stream *bool, do func(ctx context.Context, tell func(PullProgress)) (*core.Manifest, error)) error {
	if stream != nil && !*stream {
		m, err := do(r.Context(), func(PullProgress) {})
		if err != nil {
			return err
		}
		return api.WriteJSON(w, http.StatusOK, success(m))
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	lines := progressLines{out: api.NewNDJSON(w, 0), stop: cancel}
	m, err := do(ctx, lines.tell)
	switch {
	case err != nil && !lines.out.Started():
		return err
	case err != nil:
		_ = lines.out.Write(api.ErrorOf(w, core.AsError(err))) // the client may be why it failed
		return err
	}
	return lines.out.Write(success(m))
}

func success(m *core.Manifest) PullProgress {
	model := summaryOf(m)
	return PullProgress{Status: "success", Digest: m.Digest, Model: &model}
}

// progressLines writes progress, and ends the pull when the client no longer reads it.
type progressLines struct {
	out    *api.NDJSON
	stop   context.CancelCauseFunc
	status string
	last   time.Time
}

func (p *progressLines) tell(progress PullProgress) {
	now := time.Now()
	done := progress.Total > 0 && progress.Completed >= progress.Total
	if progress.Status == p.status && !done && now.Sub(p.last) < progressEvery {
		return
	}
	p.status, p.last = progress.Status, now
	if err := p.out.Write(progress); err != nil {
		p.stop(err)
	}
}
