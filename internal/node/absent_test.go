package node

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestAbsentCallsSayTheyAreAbsent asks for what docs/compatibility.md says is not served: each answers an error in its
// dialect's shape, and no page of HTML.
func TestAbsentCallsSayTheyAreAbsent(t *testing.T) {
	s := start(t, options(t, settings(t, nil)))
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	seen := 0
	for _, d := range Dialects("") {
		for _, a := range d.Absent {
			for _, path := range []string{a.Path, a.Path + "/x/y"} {
				seen++
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.addr+path, strings.NewReader("{}"))
				if err != nil {
					t.Fatal(err)
				}
				if d.Name == "anthropic" {
					r.Header.Set("Anthropic-Version", "2023-06-01")
				}
				res, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil {
					t.Fatal(err)
				}
				if res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusMethodNotAllowed || !inShape(d.Name, body) {
					t.Errorf("POST %s, which %s does not serve: %d %s", path, d.Name, res.StatusCode, body)
				}
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d calls were tried", seen)
	}
}

// inShape reports whether a body is an error as a dialect's clients read it.
func inShape(dialect string, body []byte) bool {
	var plain struct {
		Type  string          `json:"type"`
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &plain) != nil || len(plain.Error) == 0 {
		return false
	}
	var object struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	isObject := json.Unmarshal(plain.Error, &object) == nil && object.Type != "" && object.Message != ""
	switch dialect {
	case "ollama", "oip", "oip-grpc":
		return plain.Error[0] == '"'
	case "anthropic":
		return isObject && plain.Type == "error"
	}
	return isObject
}
