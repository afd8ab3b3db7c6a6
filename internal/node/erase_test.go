package node

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/node/datadir"
	"ashatai/internal/store"
	"ashatai/test/pgtest"
)

// TestErasedInTheMiddle: requests whose account is erased while they run, and which end by themselves before anybody looks whether they still
// may, leave nothing behind, in either database.
func TestErasedInTheMiddle(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		erasedInTheMiddle(t, settings(t, map[string]string{"rate_limit.enabled": "false"}))
	})
	t.Run("postgres", func(t *testing.T) {
		address, err := pgtest.For(t).NewDatabase(t.Context(), "erase")
		if err != nil {
			t.Fatal(err)
		}
		erasedInTheMiddle(t, settings(t, map[string]string{"rate_limit.enabled": "false", "database.url": address}))
	})
}

func erasedInTheMiddle(t *testing.T, set *config.Settings) {
	t.Helper()
	id := ""
	t.Run("the server", func(t *testing.T) {
		s := start(t, options(t, set))
		s.as("")(t, "POST", "/api/v1/users", `{"name":"root","password":"correct horse","role":"admin"}`, 200)
		login := func(name string) string {
			return s.as("")(t, "POST", "/api/v1/login", `{"name":"`+name+`","password":"correct horse"}`, 200)["token"].(string)
		}
		root := s.as(login("root"))
		id = root(t, "POST", "/api/v1/users", `{"name":"ann","role":"user","password":"correct horse"}`, 200)["id"].(string)
		token := login("ann")
		// The model is there before: what is asked for takes as long as its tokens, which is less than the two seconds until somebody looks.
		root(t, "POST", "/v1/chat/completions", `{"max_tokens":1,"messages":[{"role":"user","content":"hi"}]}`, 200)
		s.until(t, func(c counters) bool { return c.active == 0 })
		const said = `#mock token_delay=100ms`
		asks := map[string]string{
			"/v1/responses":        `{"store":true,"max_output_tokens":15,"input":"` + said + `"}`,
			"/v1/chat/completions": `{"store":true,"max_tokens":15,"messages":[{"role":"user","content":"` + said + `"}]}`,
		}
		ends := make(chan string, len(asks))
		for path, body := range asks {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.addr+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			go func() {
				c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				res, err := c.Do(req)
				if err != nil {
					ends <- err.Error()
					return
				}
				defer res.Body.Close()
				b, err := io.ReadAll(res.Body)
				if err != nil {
					ends <- err.Error()
					return
				}
				ends <- res.Status + " " + string(b)
			}()
		}
		s.until(t, func(c counters) bool { return c.active == len(asks) })
		root(t, "DELETE", "/api/v1/users/ann", "", 200)
		for range asks {
			select {
			case got := <-ends:
				if !strings.Contains(got, "Nothing of this was stored") {
					t.Errorf("%.500s", got)
				}
			case <-time.After(30 * time.Second):
				t.Fatal("a request did not end")
			}
		}
	})
	db, err := datadir.OpenDatabase(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, kind := range []core.StoredKind{core.StoredChat, core.StoredResponse, core.StoredConversation} {
		f := core.StoredFilter{Kind: kind, StoredPage: core.StoredPage{Limit: 9}}
		if list, _, err := db.Objects().List(t.Context(), store.Owner{Tenant: id, User: id}, f); err != nil || len(list) > 0 {
			t.Errorf("%s: %+v, %v", kind, list, err)
		}
	}
	if use, err := db.Accounts().Quotas().Use(t.Context(), core.QuotaDay, core.QuotaUser, id, time.Time{}); err != nil || len(use) > 0 {
		t.Errorf("what it used: %+v, %v", use, err)
	}
}
