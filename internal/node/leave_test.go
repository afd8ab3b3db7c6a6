package node

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// endless are requests whose fourth token takes much longer than any test, by path; STREAM stands for how they are answered.
func endless() map[string]string {
	const slow = `#mock token_delay=10m delay_after=3\n`
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

// TestALeavingCallerFreesItsSequence: in every dialect, streamed or not, whoever goes away frees its sequence within the batch
// that is computed then, by the counters of the model's own process: it makes no token and computes no batch more.
func TestALeavingCallerFreesItsSequence(t *testing.T) {
	s := start(t, options(t, settings(t, nil)))
	for path, body := range endless() {
		for _, stream := range []string{"true", "false"} {
			if stream == "false" && !strings.Contains(body, "STREAM") {
				continue
			}
			t.Run(strings.TrimPrefix(path, "/")+" "+stream, func(t *testing.T) {
				before := s.counted(t)
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
				had := s.until(t, func(n counters) bool { return n.active == 1 && n.generated == before.generated+3 })
				leave()
				<-left
				if now := s.until(t, func(n counters) bool { return n.active == 0 }); now.generated != had.generated || now.steps != had.steps {
					t.Errorf("%d tokens and %d batches were made, and then %d and %d: something went on for nobody", had.generated, had.steps, now.generated, now.steps)
				}
				s.untilActive(t, `"active":0`)
			})
		}
	}
}

// untilActive waits until the loaded model says so.
func (s *running) untilActive(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		_, body := s.call(t, http.MethodGet, "/api/v1/instances", "")
		if strings.Contains(body, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s never came: %s", want, body)
		}
	}
}

// counters are what the process of the model counts.
type counters struct{ active, steps, generated int }

// counted asks for the counters; they are zero before the first load.
func (s *running) counted(t *testing.T) counters {
	t.Helper()
	_, text := s.call(t, http.MethodGet, "/metrics", "")
	number := func(name, label string) int {
		m := regexp.MustCompile(`(?m)^ashatai_` + name + `\{[^}]*` + label + `[^}]*\} (\d+)$`).FindStringSubmatch(text)
		if m == nil {
			return 0
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return counters{number("engine_sequences", `state="active"`), number("engine_steps", "model"), number("engine_tokens", `kind="generated"`)}
}

// until waits for the counters to be so.
func (s *running) until(t *testing.T, so func(counters) bool) counters {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		n := s.counted(t)
		if so(n) {
			return n
		}
		if time.Now().After(deadline) {
			t.Fatalf("it never came; the counters are %+v", n)
		}
	}
}
