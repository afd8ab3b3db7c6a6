package node

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// endless are requests whose answers take much longer than any test, by path; STREAM stands for how they are answered.
func endless() map[string]string {
	const slow = `#mock token_delay=20ms\n`
	const talk = `"messages":[{"role":"user","content":"` + slow + `"}]`
	return map[string]string{
		"/v1/chat/completions":   `{"max_tokens":100000,"stream":STREAM,` + talk + `}`,
		"/v1/completions":        `{"max_tokens":100000,"stream":STREAM,"prompt":"` + slow + `"}`,
		"/v1/responses":          `{"max_output_tokens":100000,"stream":STREAM,"store":false,"input":"` + slow + `"}`,
		"/v1/messages":           `{"max_tokens":100000,"stream":STREAM,` + talk + `}`,
		"/api/generate":          `{"model":"tiny","options":{"num_predict":100000},"stream":STREAM,"prompt":"` + slow + `"}`,
		"/api/chat":              `{"model":"tiny","options":{"num_predict":100000},"stream":STREAM,` + talk + `}`,
		"/api/ai/process":        `{"prompt":"` + slow + `"}`,
		"/api/ai/process/stream": `{"prompt":"` + slow + `"}`,
	}
}

// TestALeavingCallerFreesItsSequence: in every dialect, streamed or not, whoever goes away leaves nothing running.
func TestALeavingCallerFreesItsSequence(t *testing.T) {
	s := start(t, options(t, settings(t, nil)))
	for path, body := range endless() {
		for _, stream := range []string{"true", "false"} {
			if stream == "false" && !strings.Contains(body, "STREAM") {
				continue
			}
			t.Run(strings.TrimPrefix(path, "/")+" "+stream, func(t *testing.T) {
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.addr+path, strings.NewReader(strings.Replace(body, "STREAM", stream, 1)))
				if err != nil {
					t.Fatal(err)
				}
				left := make(chan struct{})
				go func() {
					defer close(left)
					c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
					if res, err := c.Do(req); err == nil {
						_, _ = io.Copy(io.Discard, res.Body) // until it is cut
						_ = res.Body.Close()
					}
				}()
				s.untilActive(t, `"active":1`)
				leave()
				<-left
				s.untilActive(t, `"active":0`)
			})
		}
	}
}

// untilActive waits until the loaded model says so.
func (s *running) untilActive(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, body := s.call(t, http.MethodGet, "/api/v1/instances", "")
		if strings.Contains(body, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s never came: %s", want, body)
		}
	}
}
