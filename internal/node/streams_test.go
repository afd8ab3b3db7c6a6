package node

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// spoken is a text whose characters have one to four bytes, and which the mock runtime makes byte by byte.
const spoken = `aé日😀 e̸ "q\" <tool> ﬁ…`

// talking are requests whose answer is spoken, by path: MORE stands for fields that end it earlier.
func talking() map[string]string {
	quoted, err := json.Marshal("#mock reply=" + spoken)
	if err != nil {
		panic(err)
	}
	ask := string(quoted)
	talk := `"messages":[{"role":"user","content":` + ask + `}]`
	return map[string]string{
		"/v1/chat/completions":   `{"max_tokens":99,"stream":true,MORE,` + talk + `}`,
		"/v1/completions":        `{"max_tokens":99,"stream":true,MORE,"prompt":` + ask + `}`,
		"/v1/responses":          `{"max_output_tokens":99,"store":false,"stream":true,MORE,"input":` + ask + `}`,
		"/v1/messages":           `{"max_tokens":99,"stream":true,MORE,` + talk + `}`,
		"/api/chat":              `{"model":"tiny","options":{"num_predict":99,MORE},` + talk + `}`,
		"/api/generate":          `{"model":"tiny","options":{"num_predict":99,MORE},"prompt":` + ask + `}`,
		"/api/ai/process/stream": `{"prompt":` + ask + `}`,
	}
}

// limit and stop are the fields' names, by path; no stop: the dialect has none.
func limitAndStop(path string) (limit, stop string) {
	switch path {
	case "/v1/responses":
		return "max_output_tokens", ""
	case "/v1/messages":
		return "max_tokens", "stop_sequences"
	case "/api/chat", "/api/generate":
		return "num_predict", "stop"
	case "/api/ai/process/stream":
		return "", ""
	}
	return "max_tokens", "stop"
}

// pieces are the parts of the text of a stream, each of which must be whole characters by itself.
func pieces(t *testing.T, path, body string) []string {
	t.Helper()
	var out []string
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		line := strings.TrimPrefix(lines.Text(), "data: ")
		if path == "/api/ai/process/stream" {
			if line != "" && line != "[DONE]" {
				out = append(out, line)
			}
			continue
		}
		var ev struct {
			Type     string          `json:"type"`
			Delta    json.RawMessage `json:"delta"`
			Response json.RawMessage `json:"response"`
			Message  struct {
				Content json.RawMessage `json:"content"`
			} `json:"message"`
			Choices []struct {
				Text  string `json:"text"`
				Delta struct {
					Content string `json:"content"`
				} `json:"delta"`
			} `json:"choices"`
		}
		if !strings.HasPrefix(line, "{") {
			continue
		}
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		var text string
		var part struct {
			Text string `json:"text"`
		}
		switch {
		case ev.Type == "response.output_text.delta":
			_ = json.Unmarshal(ev.Delta, &text)
		case ev.Type == "content_block_delta":
			_ = json.Unmarshal(ev.Delta, &part)
			text = part.Text
		case path == "/api/generate":
			_ = json.Unmarshal(ev.Response, &text)
		case path == "/api/chat":
			_ = json.Unmarshal(ev.Message.Content, &text)
		case len(ev.Choices) > 0:
			text = ev.Choices[0].Text + ev.Choices[0].Delta.Content
		}
		if text != "" {
			out = append(out, text)
		}
	}
	return out
}

// TestStreamsAtEverySplit: in every dialect each event of a stream has whole characters, wherever the answer ends, and no
// part of a stop string, whichever part of the answer that is.
func TestStreamsAtEverySplit(t *testing.T) {
	s := start(t, options(t, settings(t, nil)))
	heard := func(path, more string) string {
		body := talking()[path]
		if more == "" {
			body = strings.NewReplacer(",MORE", "", "MORE,", "").Replace(body)
		}
		status, got := s.call(t, http.MethodPost, path, strings.Replace(body, "MORE", more, 1))
		if status != http.StatusOK || !utf8.ValidString(got) {
			t.Fatalf("%s, %s: %d %q", path, more, status, got)
		}
		all := pieces(t, path, got)
		for _, p := range all {
			if strings.ContainsRune(p, utf8.RuneError) {
				t.Fatalf("%s, %s: a piece is cut: %q", path, more, all)
			}
		}
		return strings.Join(all, "")
	}
	for path := range talking() {
		t.Run(strings.TrimPrefix(path, "/"), func(t *testing.T) {
			limit, stop := limitAndStop(path)
			if got := heard(path, ""); got != spoken {
				t.Fatalf("%q, want %q", got, spoken)
			}
			for n := 1; limit != "" && n <= len(spoken); n++ {
				body := strings.Replace(talking()[path], fmt.Sprintf(`"%s":99`, limit), fmt.Sprintf(`"%s":%d`, limit, n), 1)
				_, got := s.call(t, http.MethodPost, path, strings.NewReplacer(",MORE", "", "MORE,", "").Replace(body))
				all := pieces(t, path, got)
				// A character that the end cut in two is one mark, and the last.
				text := strings.TrimSuffix(strings.Join(all, ""), string(utf8.RuneError))
				if !utf8.ValidString(got) || !strings.HasPrefix(spoken, text) {
					t.Errorf("after %d tokens: %q", n, all)
				}
			}
			if stop == "" {
				return
			}
			for i := range spoken {
				for n := 1; i+n <= len(spoken); n++ {
					end := spoken[i : i+n]
					if long := utf8.RuneCountInString(end); !utf8.ValidString(end) || long != 1 && long != 3 {
						continue
					}
					list, err := json.Marshal([]string{end, "never"})
					if err != nil {
						t.Fatal(err)
					}
					if got, want := heard(path, `"`+stop+`":`+string(list)), spoken[:strings.Index(spoken, end)]; got != want {
						t.Errorf("stopped at %q: %q, want %q", end, got, want)
					}
				}
			}
		})
	}
}
