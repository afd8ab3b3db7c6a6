package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"ashatai/internal/cli/progress"
	"ashatai/internal/core"
)

// uploadEvery bounds how often an upload's progress is told.
const uploadEvery = 100 * time.Millisecond

// Upload sends a file to the server unless it has it, and returns the file's sha256.
func (c *Client) Upload(ctx context.Context, path string, show progress.View) (string, error) {
	f, err := os.Open(path) //nolint:gosec // the user's own file
	if err != nil {
		return "", core.Wrap(core.CodeInvalidRequest, err, "The file %q cannot be read: %s.", path, Reason(err))
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return "", core.Wrap(core.CodeInvalidRequest, err, "The file %q cannot be read: %s.", path, Reason(err))
	}
	h := sha256.New()
	if _, err := io.Copy(h, &told{r: f, ctx: ctx, status: "hashing", total: info.Size(), show: show}); err != nil {
		return "", c.sending(ctx, path, err)
	}
	sha := hex.EncodeToString(h.Sum(nil))
	at := "/api/blobs/sha256:" + sha
	has, err := c.send(ctx, http.MethodHead, at, nil, 0)
	switch {
	case err != nil:
		return "", err
	case has == http.StatusOK:
		return sha, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", c.sending(ctx, path, err)
	}
	_, err = c.send(ctx, http.MethodPost, at, &told{r: f, ctx: ctx, status: "uploading", total: info.Size(), show: show}, info.Size())
	return sha, err
}

func (c *Client) sending(ctx context.Context, path string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return core.Wrap(core.CodeInvalidRequest, err, "The file %q cannot be read to its end: %s.", path, Reason(err))
}

// send sends bytes, and returns the status where it is 200, 201, or 404 of a HEAD.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader, size int64) (int, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, body)
	if err != nil {
		return 0, core.Wrap(core.CodeInvalidRequest, err, "The server's address %s cannot be called.", c.Base)
	}
	req.ContentLength = size
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, c.unreachable(ctx, err)
	}
	defer Close(resp)
	switch {
	case resp.StatusCode == http.StatusOK, resp.StatusCode == http.StatusCreated, method == http.MethodHead && resp.StatusCode == http.StatusNotFound:
		return resp.StatusCode, nil
	}
	return 0, c.refusal(resp)
}

// told is a reader whose progress is shown.
type told struct {
	r      io.Reader
	ctx    context.Context //nolint:containedctx // reading a file has no context of its own
	status string
	done   int64
	total  int64
	last   time.Time
	show   progress.View
}

func (t *told) Read(p []byte) (int, error) {
	if err := t.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := t.r.Read(p)
	t.done += int64(n)
	if now := time.Now(); now.Sub(t.last) >= uploadEvery || t.done == t.total && n > 0 {
		t.last = now
		line := fmt.Appendf(nil, `{"status":%q,"total":%d,"completed":%d}`, t.status, t.total, t.done)
		t.show.Step(progress.Step{Status: t.status, Total: t.total, Completed: t.done}, line)
	}
	return n, err
}

// Follow starts something that takes its time, and shows its progress to the end.
func (c *Client) Follow(ctx context.Context, path string, req any, show progress.View) error {
	resp, err := c.Open(ctx, http.MethodPost, path, req)
	if err != nil {
		return err
	}
	defer Close(resp)
	err = progress.Follow(resp.Body, show)
	if errors.Is(err, progress.ErrCutOff) {
		err = c.Broken(ctx, err)
	}
	return err
}
