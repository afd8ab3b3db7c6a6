package v1_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/api"
	"ashatai/internal/api/v1"
	"ashatai/internal/convo"
	"ashatai/internal/core"
	"ashatai/internal/store/sqlite"
)

// chatServer serves the chats of a real database; the header X-User says who asks.
func chatServer(t *testing.T) (*httptest.Server, *convo.Service) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	s := convo.New(db.Objects(), db.Items(), convo.Config{})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	f := &fake{}
	d := v1.Dialect(v1.Config{Models: f, Puller: f, Fleet: f, Tokens: f, Chats: s, ChatItems: s.Items()})
	h, err := api.NewMux([]api.Dialect{d}, func(row api.Route, d api.Dialect) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user := r.Header.Get("X-User")
			if user == "" {
				user = "ada"
			}
			r = r.WithContext(core.WithPrincipal(r.Context(), core.Principal{Tenant: "t", User: user}))
			if err := row.Handle(w, r); err != nil {
				d.WriteError(w, r, core.AsError(err))
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv, s
}

func made[T any](t *testing.T, srv *httptest.Server, method, path, body string) T {
	t.Helper()
	status, text := do(t, srv, method, path, body)
	var out T
	if err := json.Unmarshal([]byte(text), &out); status != http.StatusOK || err != nil {
		t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	return out
}

// TestChat keeps a chat with two branches and reads all of it again.
func TestChat(t *testing.T) {
	srv, archive := chatServer(t)
	c := made[v1.Chat](t, srv, "POST", "/api/v1/chats", `{"title":"  Two   words ","settings":{"model":"m"},"messages":[
		{"role":"user","content":"one","attachments":[{"name":"a.txt","text":"A"}]},
		{"role":"assistant","content":"first","reasoning":"hm","model":"m","finish":"stop","figures":{"completion":3},"calls":[{"id":"c","name":"f","arguments":"{}"}]}]}`)
	if c.Title != "Two words" || len(c.Messages) != 2 || c.Messages[1].Parent != c.Messages[0].ID || c.Head != c.Messages[1].ID || c.Messages[0].Created.IsZero() {
		t.Fatalf("%+v", c)
	}
	at := "/api/v1/chats/" + c.ID
	more := made[v1.MessageList](t, srv, "POST", at+"/messages", `{"parent":"`+c.Messages[0].ID+`","messages":[{"role":"assistant","content":"second"}]}`)
	got := made[v1.Chat](t, srv, "GET", at, "")
	if len(got.Messages) != 3 || got.Head != more.Messages[0].ID || got.Messages[2].Parent != c.Messages[0].ID || got.Messages[2].Content != "second" {
		t.Errorf("%+v", got)
	}
	first := got.Messages[1]
	if first.Reasoning != "hm" || first.Finish != "stop" || string(first.Figures) != `{"completion":3}` || first.Calls[0].Name != "f" || got.Messages[0].Attachments[0].Text != "A" || string(got.Settings) != `{"model":"m"}` {
		t.Errorf("%+v", got.Messages)
	}
	s := made[v1.ChatSummary](t, srv, "PATCH", at, `{"title":"Other","head":"`+first.ID+`","settings":{"seed":"1"}}`)
	if got = made[v1.Chat](t, srv, "GET", at, ""); s.Title != "Other" || got.Head != first.ID || string(got.Settings) != `{"seed":"1"}` {
		t.Errorf("%+v %+v", s, got)
	}
	// The same chat is a conversation with OpenAI's items; one that somebody adds there is read here.
	items, _, err := archive.Items().List(t.Context(), core.Principal{Tenant: "t", User: "ada"}, c.ID, core.StoredPage{Limit: 9})
	if err != nil || len(items) != 3 || !strings.Contains(items[0].Body, `"content":[{"type":"input_text","text":"one"}]`) || !items[1].Output {
		t.Errorf("%v %v", items, err)
	}
	err = archive.Items().Add(t.Context(), core.Principal{Tenant: "t", User: "ada"}, core.StoredConversation, c.ID, []core.StoredItem{{ID: "x", Body: `{"id":"x","type":"message","role":"user","content":"plain"}`}})
	if err != nil {
		t.Fatal(err)
	}
	if got = made[v1.Chat](t, srv, "GET", at, ""); got.Messages[3].Content != "plain" || got.Messages[3].Role != "user" {
		t.Errorf("%+v", got.Messages[3])
	}
	made[v1.Removed](t, srv, "DELETE", at, "")
	if status, text := do(t, srv, "GET", at, ""); status != http.StatusNotFound {
		t.Errorf("%d %s", status, text)
	}
}

func TestListAndSearchChats(t *testing.T) {
	srv, _ := chatServer(t)
	for i := range 7 {
		made[v1.Chat](t, srv, "POST", "/api/v1/chats", fmt.Sprintf(`{"title":"Chat %d","messages":[{"role":"user","content":"%s the Ämter of number %d %s"}]}`,
			i, strings.Repeat("before ", 20), i, strings.Repeat("after ", 20)))
	}
	page := made[v1.ChatList](t, srv, "GET", "/api/v1/chats?limit=5", "")
	if len(page.Chats) != 5 || !page.More || page.Chats[0].Title != "Chat 6" {
		t.Fatalf("%+v", page)
	}
	page = made[v1.ChatList](t, srv, "GET", "/api/v1/chats?limit=5&after="+page.Chats[4].ID, "")
	if len(page.Chats) != 2 || page.More || page.Chats[1].Title != "Chat 0" {
		t.Errorf("%+v", page)
	}
	page = made[v1.ChatList](t, srv, "GET", "/api/v1/chats?q=%C3%A4mter+of+number+3", "")
	if len(page.Chats) != 1 || page.Chats[0].Title != "Chat 3" || !strings.HasPrefix(page.Chats[0].Found, "…") || !strings.Contains(page.Chats[0].Found, "Ämter of number 3 after") {
		t.Errorf("%+v", page)
	}
	if page = made[v1.ChatList](t, srv, "GET", "/api/v1/chats?q=CHAT+2", ""); len(page.Chats) != 1 || page.Chats[0].Found != "" {
		t.Errorf("%+v", page)
	}
	if page = made[v1.ChatList](t, srv, "GET", "/api/v1/chats?q=nothing", ""); len(page.Chats) != 0 || page.More {
		t.Errorf("%+v", page)
	}
}

// TestChatOwners: another's chat is not there, and a conversation that is no chat is none.
func TestChatOwners(t *testing.T) {
	srv, archive := chatServer(t)
	c := made[v1.Chat](t, srv, "POST", "/api/v1/chats", `{"messages":[{"role":"user","content":"secret"}]}`)
	other := core.Stored{ID: "conv_other", Kind: core.StoredConversation, State: core.StoredDone, Body: "{}"}
	if err := archive.Keep(t.Context(), core.Principal{Tenant: "t", User: "ada"}, other, nil); err != nil {
		t.Fatal(err)
	}
	ask := func(user, method, path, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-User", user)
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var v any
		if err := json.NewDecoder(res.Body).Decode(&v); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, fmt.Sprint(v)
	}
	for _, who := range []struct{ user, id string }{{"bob", c.ID}, {"ada", other.ID}} {
		for _, call := range [][3]string{
			{"GET", "", ""}, {"DELETE", "", ""}, {"PATCH", "", `{"title":"x"}`}, {"POST", "/messages", `{"messages":[{"role":"user","content":"x"}]}`},
		} {
			if status, text := ask(who.user, call[0], "/api/v1/chats/"+who.id+call[1], call[2]); status != http.StatusNotFound {
				t.Errorf("%s %v: %d %s", who.user, call, status, text)
			}
		}
	}
	if status, text := ask("bob", "GET", "/api/v1/chats?q=secret", ""); status != http.StatusOK || strings.Contains(text, "conv_") {
		t.Errorf("%d %s", status, text)
	}
	if got := made[v1.ChatList](t, srv, "GET", "/api/v1/chats", ""); len(got.Chats) != 1 || got.Chats[0].ID != c.ID {
		t.Errorf("%+v", got)
	}
}

func TestChatRefusals(t *testing.T) {
	srv, _ := chatServer(t)
	c := made[v1.Chat](t, srv, "POST", "/api/v1/chats", `{}`)
	if c.Title != "New chat" || len(c.Messages) != 0 || c.Head != "" {
		t.Errorf("%+v", c)
	}
	at := "/api/v1/chats/" + c.ID
	for _, x := range []struct{ method, path, body, param string }{
		{"GET", "/api/v1/chats?limit=0", "", "limit"},
		{"GET", "/api/v1/chats?limit=x", "", "limit"},
		{"GET", "/api/v1/chats?q=" + strings.Repeat("a", 300), "", "q"},
		{"POST", "/api/v1/chats", `{"title":"` + strings.Repeat("ä", 201) + `"}`, "title"},
		{"POST", "/api/v1/chats", `{"settings":[]}`, "settings"},
		{"POST", "/api/v1/chats", `{"messages":[{"role":"system","content":"x"}]}`, "messages.0.role"},
		{"POST", "/api/v1/chats", `{"messages":[{"role":"user","parent":"x","content":"x"}]}`, "messages.0.parent"},
		{"POST", "/api/v1/chats", `{"owner":"bob"}`, "owner"},
		{"PATCH", at, `{"head":"msg_none"}`, "head"},
		{"PATCH", at, `{"user":"bob"}`, "user"},
		{"POST", at + "/messages", `{"messages":[]}`, "messages"},
		{"POST", at + "/messages", `{"parent":"msg_none","messages":[{"role":"user","content":"x"}]}`, "parent"},
		{"POST", at + "/messages", `{"messages":[{"role":"user","content":"x"},{"role":"assistant","parent":"y","content":"x"}]}`, "messages.1.parent"},
		{"POST", at + "/messages", `{"messages":[` + strings.Repeat(`{"role":"user","content":"x"},`, 50) + `{"role":"user","content":"x"}]}`, "messages"},
	} {
		if status, text := do(t, srv, x.method, x.path, x.body); status != http.StatusBadRequest || !strings.Contains(text, `"param":"`+x.param+`"`) {
			t.Errorf("%s %s %.80s: %d %s", x.method, x.path, x.body, status, text)
		}
	}
}
