package node

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// tooLong are requests whose prompts do not fit 256 tokens, by path; STREAM stands for how they are answered, WISH for the
// wish to have them cut.
func tooLong() map[string]string {
	var turns []string
	for i := range 20 {
		turns = append(turns, fmt.Sprintf(`{"role":"user","content":"what is number %d"},{"role":"assistant","content":"a number like others"}`, i))
	}
	talk := `[` + strings.Join(turns, ",") + `,{"role":"user","content":"and now"}]`
	raw := strings.Repeat("word ", 400)
	return map[string]string{
		"/v1/chat/completions":       `{"max_tokens":4,"stream":STREAM,"store":false,WISH,"messages":` + talk + `}`,
		"/v1/completions":            `{"max_tokens":4,"stream":STREAM,WISH,"prompt":"` + raw + `"}`,
		"/v1/responses":              `{"max_output_tokens":4,"stream":STREAM,WISH,"input":` + talk + `}`,
		"/v1/messages":               `{"max_tokens":4,"stream":STREAM,WISH,"messages":` + talk + `}`,
		"/api/chat":                  `{"model":"tiny","options":{"num_predict":4},"stream":STREAM,WISH,"messages":` + talk + `}`,
		"/api/generate":              `{"model":"tiny","raw":true,"options":{"num_predict":4},"stream":STREAM,WISH,"prompt":"` + raw + `"}`,
		"/v1/messages/count_tokens":  `{WISH,"messages":` + talk + `}`,
		"/v1/responses/input_tokens": `{WISH,"input":` + talk + `}`,
	}
}

// TestTruncatedPrompts: in every dialect, streamed or not, a prompt over the context is cut where the caller asks for it, and
// the figures and the header say how much was left out; otherwise it is refused.
func TestTruncatedPrompts(t *testing.T) {
	s := start(t, options(t, settings(t, map[string]string{"engine.context": "256"})))
	header := regexp.MustCompile(`^(\d+) (messages|tokens)$`)
	counted := regexp.MustCompile(`"truncated_(messages|tokens)":(\d+)`)
	for path, body := range tooLong() {
		wish, none := `"truncation":"auto"`, `"truncation":"disabled"`
		if strings.HasPrefix(path, "/api/") {
			wish, none = `"truncate":true`, `"truncate":false`
		}
		for _, stream := range []string{"true", "false"} {
			said := func(wish string) reply {
				return s.raw(t, path, strings.NewReplacer("WISH", wish, "STREAM", stream).Replace(body))
			}
			got := said(wish)
			if !strings.Contains(body, "STREAM") { // it counts
				n, err := strconv.Atoi(regexp.MustCompile(`\d+`).FindString(got.body))
				if got.status != http.StatusOK || err != nil || n > 255 || n < 100 {
					t.Errorf("%s: %d %s", path, got.status, got.body)
				}
				continue
			}
			h, u := header.FindStringSubmatch(got.truncated), counted.FindAllStringSubmatch(got.body, -1)
			silent := stream == "true" && strings.HasSuffix(path, "completions") // such a stream counts only where that is asked for
			if got.status != http.StatusOK || h == nil || len(u) == 0 && !silent {
				t.Errorf("%s, stream %s: %d, header %q: %.400s", path, stream, got.status, got.truncated, got.body)
				continue
			}
			for _, one := range u {
				if one[1] != h[2] || one[2] != h[1] {
					t.Errorf("%s, stream %s: the header says %s, the figures %s", path, stream, h[0], one[0])
				}
			}
			if got := said(none); got.status != http.StatusBadRequest || got.truncated != "" || !inShape(dialectOf(path), []byte(got.body)) {
				t.Errorf("%s, not asked to cut: %d %.300s", path, got.status, got.body)
			}
		}
	}
	// What a stream of OpenAI's counts comes when it is asked for.
	ask := strings.NewReplacer("WISH", `"truncation":"auto","stream_options":{"include_usage":true}`, "STREAM", "true").Replace(tooLong()["/v1/chat/completions"])
	if got := s.raw(t, "/v1/chat/completions", ask); !counted.MatchString(got.body) {
		t.Error(got.body)
	}
	if got := s.raw(t, "/v1/completions", `{"truncation":"auto","prompt":["a","b"]}`); !strings.Contains(got.body, "one prompt at a time") {
		t.Error(got.body)
	}
}

// reply is what came back.
type reply struct {
	status    int
	truncated string // the header
	body      string
}

// raw posts a body.
func (s *running) raw(t *testing.T, path, body string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req) //nolint:forbidigo // a test's own request
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header.Get("X-Ashatai-Truncated"), string(text)}
}
