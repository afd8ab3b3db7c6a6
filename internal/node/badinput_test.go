package node

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// asked are small good requests, by path; MODEL and TEXT stand for their parts.
func asked() map[string]string {
	const talk = `"messages":[{"role":"user","content":"TEXT"}]`
	return map[string]string{
		"/v1/chat/completions":      `{"model":"MODEL","max_tokens":2,` + talk + `}`,
		"/v1/completions":           `{"model":"MODEL","max_tokens":2,"prompt":"TEXT"}`,
		"/v1/responses":             `{"model":"MODEL","max_output_tokens":2,"store":false,"input":"TEXT"}`,
		"/v1/messages":              `{"model":"MODEL","max_tokens":2,` + talk + `}`,
		"/v1/messages/count_tokens": `{"model":"MODEL",` + talk + `}`,
		"/api/generate":             `{"model":"MODEL","stream":false,"options":{"num_predict":2},"prompt":"TEXT"}`,
		"/api/chat":                 `{"model":"MODEL","stream":false,"options":{"num_predict":2},` + talk + `}`,
		"/api/ai/process":           `{"modelName":"MODEL","prompt":"TEXT"}`,
	}
}

func dialectOf(path string) string {
	switch {
	case strings.HasPrefix(path, "/v1/messages"):
		return "anthropic"
	case strings.HasPrefix(path, "/api/"):
		return "ollama" // the calls of older servers have its shape
	}
	return "openai"
}

func filled(body, model, text string) string {
	return strings.NewReplacer("MODEL", model, "TEXT", text).Replace(body)
}

// TestUnknownModels: 404 in the dialect's own shape, with the name that was meant.
func TestUnknownModels(t *testing.T) {
	s := start(t, options(t, settings(t, nil)))
	for path, body := range asked() {
		status, got := s.call(t, http.MethodPost, path, filled(body, "tinny", "hi"))
		if status != http.StatusNotFound || !strings.Contains(got, "tiny") || !inShape(dialectOf(path), []byte(got)) {
			t.Errorf("%s: %d %s", path, status, got)
		}
	}
}

// TestTooLongPrompts: 400 with both numbers, in the words by which each dialect's clients know the case.
func TestTooLongPrompts(t *testing.T) {
	s := start(t, options(t, settings(t, map[string]string{"engine.context": "256"})))
	long := strings.Repeat("word ", 2000)
	for path, body := range asked() {
		if strings.HasSuffix(path, "count_tokens") {
			continue // it counts what does not fit, too
		}
		body = filled(body, "tiny", long)
		bodies := []string{body}
		if !strings.HasPrefix(path, "/api/ai/") {
			bodies = append(bodies, strings.Replace(strings.Replace(body, `"stream":false,`, "", 1), "{", `{"stream":true,`, 1))
		}
		words := map[string]string{
			"openai":    `"message":"This model's maximum context length is 256 tokens.* resulted in 20(20|05) tokens.*"code":"context_length_exceeded"`,
			"anthropic": `"invalid_request_error","message":"prompt is too long: 20(20|05) tokens > 255 maximum. `,
			"ollama":    `"error":"the input length exceeds the context length. .* 256 tokens.* 20(20|05) tokens`,
		}[dialectOf(path)]
		if strings.HasPrefix(path, "/api/ai/") {
			words = "maximum context length is 256 tokens.* 20(20|05) tokens"
		}
		for _, body := range bodies {
			status, got := s.call(t, http.MethodPost, path, body)
			got = strings.ReplaceAll(got, `\u003e`, ">")
			field := map[string]string{"/v1/chat/completions": `"messages"`, "/v1/completions": `"prompt"`, "/v1/responses": `"input"`}[path]
			if dialectOf(path) == "openai" && !strings.Contains(got, `"param":`+field) {
				t.Errorf("%s: the field at fault is not %s: %.300s", path, field, got)
			}
			if status != http.StatusBadRequest || !regexp.MustCompile(words).MatchString(got) || !inShape(dialectOf(path), []byte(got)) {
				t.Errorf("%s: %d %.300s", path, status, got)
			}
		}
	}
}

// TestBadInput sends what is broken, hostile or too much to every call that makes text. Each is refused at once with a
// reason, and the next request is served.
func TestBadInput(t *testing.T) {
	s := start(t, options(t, settings(t, nil)))
	deep := strings.Repeat(`{"properties":{"a":`, 40_000) + "{}" + strings.Repeat("}}", 40_000)
	much := `{"x":"` + strings.Repeat("y", 40<<20) + `"}`
	for path, good := range asked() {
		good := filled(good, "tiny", "hi")
		with := func(field string) string { return strings.Replace(good, "{", "{"+field+",", 1) }
		bad := map[string]string{
			"nothing": "", "no JSON": "hello", "half": good[:len(good)-2], "two": good + good, "a list": "[" + good + "]", "not UTF-8": strings.Replace(good, "hi", "h\xff", 1),
			"deep": strings.Repeat("[", 100_000), "a wrong type": strings.Replace(good, `"hi"`, `{"a":7}`, 1), "null": "null",
		}
		if dialectOf(path) != "ollama" {
			bad["stops"] = with(`"stop":[` + strings.Repeat(`"x",`, 99_999) + `"x"]`)
		}
		if !strings.HasPrefix(path, "/api/ai/") {
			bad["twice"], bad["unknown"] = with(`"model":"tiny"`), with(`"wibble":1`)
			bad["a range"] = with(`"temperature":1e9,"options":{"temperature":1e9}`)
			bad["a bomb"] = with(`"tools":[{"type":"function","name":"f","input_schema":` + deep + `,"function":{"name":"f","parameters":` + deep + `}}]`)
		}
		for name, body := range bad {
			status, got, took := s.quickest(t, path, body)
			t.Logf("%s, %s: %v", path, name, took)
			if status != http.StatusBadRequest || !inShape(dialectOf(path), []byte(got)) || took > slowest {
				t.Errorf("%s, %s: %d after %v: %.300s", path, name, status, took, got)
			}
		}
		status, got := s.call(t, http.MethodPost, path, much)
		if status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: too much is %d %.300s", path, status, got)
		}
		if status, got := s.call(t, http.MethodPost, path, good); status != http.StatusOK {
			t.Errorf("%s: after all that %d %s", path, status, got)
		}
	}
}

// quickest sends a body up to three times, until the answer takes little enough: the collector of memory may fall into one of
// them. What counts is the processor time of the whole process, since a busy machine makes any work late.
func (s *running) quickest(t *testing.T, path, body string) (status int, got string, took time.Duration) {
	t.Helper()
	for try := 0; try < 3 && (try == 0 || took > slowest); try++ {
		before := cpuTime(t)
		status, got = s.call(t, http.MethodPost, path, body)
		took = cpuTime(t) - before
	}
	return status, got, took
}

// slowest is the work that a refusal may take, the sending of it included.
const slowest = 100 * time.Millisecond * slowdown
