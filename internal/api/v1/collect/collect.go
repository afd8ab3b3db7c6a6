// Package collect is the row of the server's own API by which files that no model has are removed. What those are, others
// decide.
package collect

import (
	"context"
	"net/http"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// Collector removes files that no model has and nobody touched for a time; 0: for that of the settings. Errors: CodeConflict
// where it is not known what a manifest names.
type Collector interface {
	Collect(ctx context.Context, grace time.Duration, dry bool) ([]File, error)
}

// Request says what to remove.
type Request struct {
	DryRun       bool `json:"dry_run" doc:"only tell"`
	GraceSeconds int  `json:"grace_seconds" doc:"remove what nobody touched for so long, at least 60; 0: as blobs.grace says"`
}

// File is one that was removed, or would be.
type File struct {
	Where    string    `json:"where" enum:"home,download,bucket,upload" doc:"a file of the home, an unfinished download there, a file of the bucket, or an unfinished upload there"`
	SHA256   string    `json:"sha256"`
	Size     int64     `json:"size" doc:"bytes; 0 where it is not known"`
	Modified time.Time `json:"modified_at,omitzero" doc:"when it was written; of an upload it is not known"`
}

// Response is the answer.
type Response struct {
	DryRun bool   `json:"dry_run"`
	Files  []File `json:"files"`
	Bytes  int64  `json:"bytes" doc:"all sizes together"`
}

const (
	maxBody  = 1 << 10
	minGrace = 60                   // seconds; as long as another server may take between its claims of a file that it sends
	maxGrace = 10 * 365 * 24 * 3600 // seconds
)

// Routes are the rows. The collector may be nil where they are only described.
func Routes(c Collector) []api.Route {
	return []api.Route{{
		Method: http.MethodPost, Path: "/api/v1/collect", Summary: "Removes files that no model has: of the home and of the bucket.",
		Scope: core.ScopeOperate, Limit: api.LimitWrite, Audit: api.AuditChange, MaxBody: maxBody, Request: Request{}, Response: Response{},
		Statuses: []int{http.StatusBadRequest, http.StatusConflict, http.StatusServiceUnavailable},
		Handle: func(w http.ResponseWriter, r *http.Request) error {
			var req Request
			if err := api.DecodeJSON(r, maxBody, &req); err != nil {
				return err
			}
			if req.GraceSeconds != 0 && (req.GraceSeconds < minGrace || req.GraceSeconds > maxGrace) {
				return core.Invalid("grace_seconds", "grace_seconds is 0, or a whole number from %d to %d.", minGrace, maxGrace)
			}
			list, err := c.Collect(r.Context(), time.Duration(req.GraceSeconds)*time.Second, req.DryRun)
			if err != nil {
				return err
			}
			out := Response{DryRun: req.DryRun, Files: list}
			for _, f := range list {
				out.Bytes += f.Size
			}
			return api.WriteJSON(w, http.StatusOK, out)
		},
	}}
}
