package fetch

import (
	"context"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"ashatai/internal/blob"
	"ashatai/internal/core"
)

// send asks for what is missing of a file that grows at its end. The caller closes the line.
func (d *download) send(ctx context.Context, part *blob.Partial) (*line, error) {
	if size := part.Mark().Size; size > 0 && part.Size() > size {
		if err := part.Restart(); err != nil {
			return nil, err
		}
	}
	return d.ask(ctx, part.Mark(), part.Size(), 0)
}

// ask asks for the bytes from first up to end, which is not one of them; 0 is the end of the file.
func (d *download) ask(ctx context.Context, mark blob.Mark, first, end int64) (*line, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL, http.NoBody)
	if err != nil {
		return nil, core.Wrap(core.CodeInvalidRequest, err, "%.200q is not a valid URL.", d.Shown)
	}
	switch {
	case end > 0 && end < mark.Size:
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", first, end-1))
	case first > 0:
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", first))
	}
	if req.Header.Get("Range") != "" && mark.Validator != "" {
		req.Header.Set("If-Range", mark.Validator)
	}
	return d.dial(ctx, req)
}

// accept looks at an answer's head and prepares the file for its body. total is the size of the whole file, 0 when
// unknown; done means that nothing is missing.
func (d *download) accept(resp *http.Response, part *blob.Partial) (total int64, done bool, err error) {
	switch resp.StatusCode {
	case http.StatusOK:
		total, err = d.acceptWhole(resp, part)
	case http.StatusPartialContent:
		total, err = d.acceptRest(resp, part)
	case http.StatusRequestedRangeNotSatisfiable:
		if _, _, size, ok := parseContentRange(resp.Header.Get("Content-Range")); ok && size > 0 && size == part.Size() {
			return size, true, part.SetMark(blob.Mark{Validator: part.Mark().Validator, Size: size})
		}
		return 0, false, d.restart(part, "has no more bytes, but the file is not complete")
	default:
		return 0, false, d.refusal(resp.StatusCode)
	}
	return total, false, err
}

// acceptWhole takes an answer that begins at the first byte.
func (d *download) acceptWhole(resp *http.Response, part *blob.Partial) (int64, error) {
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && (kind == "text/html" || kind == "application/xhtml+xml") {
		return 0, core.Errorf(core.CodeBadModel,
			"The server %s answered with a web page instead of a model file. Use the address of the file itself, not of the page that shows it.", d.Host)
	}
	if part.Size() > 0 {
		if err := part.Restart(); err != nil {
			return 0, err
		}
	}
	total := max(resp.ContentLength, 0)
	return total, part.SetMark(blob.Mark{Validator: validator(resp.Header), Size: total})
}

// acceptRest takes an answer that goes on where the file stops, of the same version of it.
func (d *download) acceptRest(resp *http.Response, part *blob.Partial) (int64, error) {
	first, last, size, ok := parseContentRange(resp.Header.Get("Content-Range"))
	mark, now := part.Mark(), validator(resp.Header)
	switch {
	case !ok || first != part.Size() || size > 0 && last >= size:
		return 0, d.restart(part, "sent another part than was asked for")
	case mark.Validator != "" && now != "" && now != mark.Validator, mark.Size > 0 && size > 0 && size != mark.Size:
		return 0, d.restart(part, "has another version of the file now")
	}
	d.pieced = true
	total := max(size, mark.Size)
	if now == "" {
		now = mark.Validator
	}
	return total, part.SetMark(blob.Mark{Validator: now, Size: total})
}

// restart throws away what is there, and says why in a failure that passes.
func (d *download) restart(part *blob.Partial, why string) error {
	if err := part.Restart(); err != nil {
		return err
	}
	return passing(nil, "The server %s %s; pull again to start over.", d.Host, why)
}

// refusal says what a status other than success means.
func (d *download) refusal(status int) error {
	switch {
	case status == http.StatusNotFound || status == http.StatusGone:
		return core.Errorf(core.CodeNotFound, "The server %s has no file at %s (status %d); check the URL.", d.Host, d.Shown, status)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return core.Errorf(core.CodeForbidden, "The server %s does not hand out %s (status %d): it wants credentials or an accepted licence. Download the file yourself and pull it from its path.", d.Host, d.Shown, status)
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return passing(nil, "The server %s is not able to send the file now (status %d); pull again later.", d.Host, status)
	}
	return core.Errorf(core.CodeUnavailable, "The server %s answered with status %d instead of the file; check the URL.", d.Host, status)
}

// validator is what proves later that a file is still the same version: a strong ETag, else the date of the version.
func validator(h http.Header) string {
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	return h.Get("Last-Modified")
}

// parseContentRange reads "bytes 0-9/10", "bytes 0-9/*" and "bytes */10" (RFC 9110, 14.4). size is 0 when unknown; first
// and last are 0 when there is no range.
func parseContentRange(s string) (first, last, size int64, ok bool) {
	spec, ok := strings.CutPrefix(strings.TrimSpace(s), "bytes ")
	if !ok {
		return 0, 0, 0, false
	}
	span, length, ok := strings.Cut(spec, "/")
	if !ok {
		return 0, 0, 0, false
	}
	if length != "*" {
		if size, ok = parseBytes(length); !ok {
			return 0, 0, 0, false
		}
	}
	if span == "*" {
		return 0, 0, size, length != "*"
	}
	a, b, ok := strings.Cut(span, "-")
	if !ok {
		return 0, 0, 0, false
	}
	first, ok1 := parseBytes(a)
	last, ok2 := parseBytes(b)
	return first, last, size, ok1 && ok2 && first <= last
}

func parseBytes(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil
}

func (d *download) logInterrupted(ctx context.Context, at int64, err error) {
	d.Log.InfoContext(ctx, "download interrupted", slog.String("url", d.Shown), slog.Int64("at", at), slog.Any("error", err))
}
