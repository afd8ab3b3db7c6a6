package inprocess_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"ashatai/internal/node/inprocess"
)

func TestTransport(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Seen", r.Method+" "+r.RequestURI+" "+r.Host)
		if r.URL.Path == "/gone" {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusGone)
			w.WriteHeader(http.StatusOK)
		}
		_, _ = w.Write(append([]byte("got "), body...))
	})
	c := http.Client{Transport: inprocess.Transport{Handler: h}}
	for _, ask := range []struct {
		method, path, body string
		status             int
	}{{http.MethodGet, "/a?b=c", "", http.StatusOK}, {http.MethodPost, "/gone", "x", http.StatusGone}} {
		r, err := http.NewRequestWithContext(t.Context(), ask.method, "http://home"+ask.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Body = nil
		if ask.body != "" {
			r.Body = io.NopCloser(strings.NewReader(ask.body))
		}
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != ask.status || string(b) != "got "+ask.body || res.Header.Get("X-Seen") != ask.method+" "+ask.path+" home" {
			t.Errorf("%s: %d %q %v, %v", ask.path, res.StatusCode, b, res.Header, err)
		}
	}
}
