package node

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestWhatRunsEndsWithItsCredentials: in every dialect, streamed or not, computing or waiting, a request ends within seconds when the
// key that it was made with is revoked or has another secret, the session ends or the account is disabled, and says why. So does a
// response in the background, also when its account may no more, but not for the end of a session.
func TestWhatRunsEndsWithItsCredentials(t *testing.T) {
	s := start(t, options(t, settings(t, map[string]string{"rate_limit.enabled": "false"})))
	s.as("")(t, "POST", "/api/v1/users", `{"name":"root","password":"correct horse","role":"admin"}`, 200)
	login := func(name string) string {
		return s.as("")(t, "POST", "/api/v1/login", `{"name":"`+name+`","password":"correct horse"}`, 200)["token"].(string)
	}
	root := s.as(login("root"))
	for _, name := range []string{"ann", "bob", "eve"} {
		root(t, "POST", "/api/v1/users", `{"name":"`+name+`","role":"user","password":"correct horse"}`, 200)
	}
	key := func(user string) (string, string) {
		made := root(t, "POST", "/api/v1/keys", `{"name":"x","user":"`+user+`"}`, 200)
		return made["key"].(string), made["id"].(string)
	}
	revoked, revokedID := key("ann")
	changed, changedID := key("ann")
	disabled, _ := key("bob")
	out, stays, lesser := login("ann"), login("ann"), login("eve")
	kept := s.as(stays)

	type answer struct{ what, text string }
	all, n := make(chan answer), 0
	begin := func(credential, path, body string) {
		n++
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.addr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+credential)
		go func() {
			c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			a := answer{what: path + " " + body}
			if res, err := c.Do(req); err != nil {
				a.text = err.Error()
			} else {
				b, _ := io.ReadAll(res.Body) // a stream may be cut
				_ = res.Body.Close()
				a.text = fmt.Sprintf("%d %s", res.StatusCode, b)
			}
			all <- a
		}()
	}
	for path, body := range endless() {
		for i, credential := range []string{revoked, changed, disabled, out} {
			begin(credential, path, strings.Replace(body, "STREAM", []string{"true", "false"}[i%2], 1))
		}
	}
	const background = `{"background":true,"max_output_tokens":100000,"input":"#mock token_delay=10m"}`
	ends := map[string]string{} // ids of responses, and who may see them afterwards
	for asks, sees := range map[string]string{revoked: stays, changed: stays, lesser: lesser} {
		ends[s.as(asks)(t, "POST", "/v1/responses", background, 200)["id"].(string)] = sees
	}
	goes := s.as(out)(t, "POST", "/v1/responses", background, 200)["id"].(string)
	s.until(t, func(c counters) bool { return c.active > 0 })

	root(t, "DELETE", "/api/v1/keys/"+revokedID, "", 200)
	root(t, "POST", "/api/v1/keys/"+changedID+"/rotate", `{}`, 200)
	root(t, "PATCH", "/api/v1/users/bob", `{"disabled":true}`, 200)
	root(t, "PATCH", "/api/v1/users/eve", `{"role":"viewer"}`, 200)
	s.as(out)(t, "POST", "/api/v1/logout", "", 200)
	late := time.After(30 * time.Second)
	for range n {
		select {
		case a := <-all:
			if !strings.Contains(a.text, "has ended, or its account was disabled") {
				t.Errorf("%s: %.600s", a.what, a.text)
			}
		case <-late:
			t.Fatal("some did not end")
		}
	}
	deadline := time.Now().Add(30 * time.Second)
	for id, sees := range ends {
		for s.as(sees)(t, "GET", "/v1/responses/"+id, "", 200)["status"] != "failed" {
			if time.Now().After(deadline) {
				t.Fatal("a response in the background did not end")
			}
		}
	}
	if got := kept(t, "GET", "/v1/responses/"+goes, "", 200)["status"]; got != "in_progress" && got != "queued" {
		t.Errorf("the response of who left is %v", got)
	}
	kept(t, "POST", "/v1/responses/"+goes+"/cancel", "", 200)
	s.until(t, func(c counters) bool { return c.active == 0 })
}
