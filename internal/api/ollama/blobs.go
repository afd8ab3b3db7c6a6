package ollama

import (
	"net/http"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

const sha256Digits = 64

// digestOf reads "sha256:" with 64 digits, and returns the digits in lower case.
func digestOf(s string) (string, error) {
	sha, ok := strings.CutPrefix(strings.ToLower(s), "sha256:")
	if !ok {
		sha, ok = strings.CutPrefix(strings.ToLower(s), "sha256-") // as in the names of files
	}
	if !ok || len(sha) != sha256Digits || strings.Trim(sha, "0123456789abcdef") != "" {
		return "", core.Invalid("digest", "The digest %s is not valid; it is written as sha256: and 64 hexadecimal digits.", api.Show(s))
	}
	return sha, nil
}

// hasBlob answers HEAD /api/blobs/{digest}.
func (h *handler) hasBlob(w http.ResponseWriter, r *http.Request) error {
	sha, err := digestOf(r.PathValue("digest"))
	if err != nil {
		return err
	}
	if !h.Blobs.HasBlob(r.Context(), sha) {
		return core.Errorf(core.CodeNotFound, "There is no file sha256:%s.", sha)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// putBlob answers POST /api/blobs/{digest}: 201 for a file that is new, 200 for one that was there.
func (h *handler) putBlob(w http.ResponseWriter, r *http.Request) error {
	sha, err := digestOf(r.PathValue("digest"))
	if err != nil {
		return err
	}
	created, err := h.Blobs.PutBlob(r.Context(), sha, r.ContentLength, http.MaxBytesReader(nil, r.Body, maxBlob))
	if e := core.AsError(err); e != nil && e.Code == core.CodeBadModel {
		return core.Wrap(core.CodeInvalidRequest, e, "%s", e.Message)
	}
	if err != nil {
		return err
	}
	if created {
		w.WriteHeader(http.StatusCreated)
		return nil
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
