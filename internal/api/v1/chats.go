package v1

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// Archive keeps objects for their owners. What belongs to another is not found.
type Archive interface {
	Keep(ctx context.Context, p core.Principal, o core.Stored, add []core.StoredAdd) error
	Get(ctx context.Context, p core.Principal, kind core.StoredKind, id string) (core.Stored, error)
	Relabel(ctx context.Context, p core.Principal, kind core.StoredKind, id string, labels map[string]string) (core.Stored, error)
	Delete(ctx context.Context, p core.Principal, kind core.StoredKind, id string) error
	List(ctx context.Context, p core.Principal, f core.StoredFilter) ([]core.Stored, bool, error)
}

// ArchiveItems are what kept objects are made of.
type ArchiveItems interface {
	Add(ctx context.Context, p core.Principal, kind core.StoredKind, object string, list []core.StoredItem) error
	Get(ctx context.Context, p core.Principal, object, id string) (core.StoredItem, error)
	List(ctx context.Context, p core.Principal, object string, page core.StoredPage) ([]core.StoredItem, bool, error)
}

// The labels of a chat. A chat is a conversation with the first of them, so that it can also be read by the calls that
// OpenAI has for conversations; those never list it, and this API never lists theirs.
const (
	labelChat     = "ashatai.chat"
	labelTitle    = "title"
	labelHead     = "head"
	labelSettings = "settings"
)

const (
	maxChatBody    = 16 << 20
	maxTitle       = 200       // runes
	maxSettings    = 256 << 10 // bytes
	maxMessages    = 50        // of one request
	maxChatLength  = 4096      // messages that a chat is read with
	chatPage       = 100
	maxQuery       = 200 // bytes
	maxSearched    = 2000
	snippetAround  = 48 // bytes before and after what was found
	titleOfNothing = "New chat"
)

func (h handlers) chatRoutes() []api.Route {
	if h.c.Chats == nil {
		return nil
	}
	read := api.Route{Method: http.MethodGet, Scope: core.ScopeRead, Limit: api.LimitRead}
	write := api.Route{Method: http.MethodPost, Scope: core.ScopeInfer, Limit: api.LimitWrite, Audit: api.AuditUse, MaxBody: maxChatBody}
	row := func(base api.Route, method, path, summary string, request, response any, handle api.Handler) api.Route {
		base.Method, base.Path, base.Summary, base.Request, base.Response, base.Handle = method, path, summary, request, response, handle
		base.Statuses = []int{http.StatusBadRequest, http.StatusNotFound}
		if strings.Contains(path, "{id}") {
			base.Object = api.ObjectStored
		}
		return base
	}
	remove := write
	remove.Audit = api.AuditChange
	const one = "/api/v1/chats/{id}"
	return []api.Route{
		row(read, http.MethodGet, "/api/v1/chats", "Lists the caller's chats, the newest first; q searches titles and messages, after continues a list.", nil, ChatList{}, h.listChats),
		row(write, http.MethodPost, "/api/v1/chats", "Begins a chat.", NewChat{}, Chat{}, h.createChat),
		row(read, http.MethodGet, one, "Reads a chat with all its branches.", nil, Chat{}, h.getChat),
		row(write, http.MethodPatch, one, "Renames a chat, or changes its settings or which branch is shown.", ChatPatch{}, ChatSummary{}, h.patchChat),
		row(remove, http.MethodDelete, one, "Deletes a chat.", nil, Removed{}, h.deleteChat),
		row(write, http.MethodPost, one+"/messages", "Adds messages to a chat.", NewMessages{}, MessageList{}, h.addMessages),
	}
}

func (h handlers) listChats(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	limit := chatPage
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > chatPage {
			return core.Invalid("limit", "limit must be a whole number from 1 to %d.", chatPage)
		}
		limit = n
	}
	find := strings.TrimSpace(q.Get("q"))
	if len(find) > maxQuery {
		return core.Invalid("q", "q has %d bytes; at most %d are searched for.", len(find), maxQuery)
	}
	out, err := h.findChats(r.Context(), find, q.Get("after"), limit)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, out)
}

// findChats pages through the caller's chats until enough of them hold what is looked for. An empty find is every chat.
func (h handlers) findChats(ctx context.Context, find, after string, limit int) (ChatList, error) {
	p := core.PrincipalFrom(ctx)
	out := ChatList{Chats: []ChatSummary{}}
	needle := strings.ToLower(find)
	for seen := 0; seen < maxSearched; {
		page := core.StoredFilter{
			Kind: core.StoredConversation, Metadata: map[string]string{labelChat: "1"},
			StoredPage: core.StoredPage{After: after, Limit: chatPage, Descending: true},
		}
		list, more, err := h.c.Chats.List(ctx, p, page)
		if err != nil {
			return out, err
		}
		for i, o := range list {
			if len(out.Chats) == limit {
				out.More = true
				return out, nil
			}
			after, seen = o.ID, seen+1
			c := chatSummary(o)
			if needle != "" && !strings.Contains(strings.ToLower(c.Title), needle) {
				found, err := h.searchChat(ctx, p, o.ID, needle)
				if err != nil {
					return out, err
				}
				if c.Found = found; found == "" {
					continue
				}
			}
			out.Chats = append(out.Chats, c)
			out.More = more || i < len(list)-1
		}
		if !more || len(list) == 0 {
			out.More = false
			return out, nil
		}
	}
	return out, nil
}

// searchChat returns what stands around the first place of a chat that holds the needle, which is in lower case.
func (h handlers) searchChat(ctx context.Context, p core.Principal, id, needle string) (string, error) {
	list, err := h.messages(ctx, p, id)
	if err != nil {
		return "", err
	}
	for _, m := range list {
		if s := snippet(m.Content, needle); s != "" {
			return s, nil
		}
	}
	return "", nil
}

// snippet cuts the surroundings of needle out of text, in whole runes; empty where it is not there.
func snippet(text, needle string) string {
	low := strings.ToLower(text)
	at := strings.Index(low, needle)
	if at < 0 {
		return ""
	}
	if len(low) != len(text) { // a letter whose lower case has another length: show the text as it was searched
		text = low
	}
	from, to := max(0, at-snippetAround), min(len(text), at+len(needle)+snippetAround)
	for from > 0 && !utf8.RuneStart(text[from]) {
		from--
	}
	for to < len(text) && !utf8.RuneStart(text[to]) {
		to++
	}
	s := strings.Join(strings.Fields(text[from:to]), " ")
	if from > 0 {
		s = "…" + s
	}
	if to < len(text) {
		s += "…"
	}
	return s
}

func (h handlers) createChat(w http.ResponseWriter, r *http.Request) error {
	var body NewChat
	if err := api.DecodeJSON(r, maxChatBody, &body); err != nil {
		return err
	}
	labels := map[string]string{labelChat: "1", labelTitle: titleOfNothing}
	if err := relabel(labels, ChatPatch{Title: &body.Title, Settings: body.Settings}); err != nil {
		return err
	}
	o := core.Stored{ID: "conv_" + rand.Text(), Kind: core.StoredConversation, State: core.StoredDone, Metadata: labels, Body: "{}"}
	list, items, err := newMessages("", body.Messages)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		if list[0].Parent != "" {
			return core.Invalid("messages.0.parent", "The first message of a new chat has no parent.")
		}
		labels[labelHead] = list[len(list)-1].ID
	}
	p := core.PrincipalFrom(r.Context())
	if err := h.c.Chats.Keep(r.Context(), p, o, []core.StoredAdd{{To: o.ID, Items: items}}); err != nil {
		return err
	}
	if o, err = h.c.Chats.Get(r.Context(), p, core.StoredConversation, o.ID); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, Chat{ChatSummary: chatSummary(o), Settings: settingsOf(o), Head: labels[labelHead], Messages: orEmpty(list)})
}

// chat reads the object of a chat; a conversation that is none is not found.
func (h handlers) chat(r *http.Request) (core.Principal, core.Stored, error) {
	p, id := core.PrincipalFrom(r.Context()), r.PathValue("id")
	o, err := h.c.Chats.Get(r.Context(), p, core.StoredConversation, id)
	if err == nil && o.Metadata[labelChat] == "" {
		err = core.Errorf(core.CodeNotFound, "There is no chat %q; it may have been deleted, or its time is over.", id)
	}
	return p, o, err
}

func (h handlers) getChat(w http.ResponseWriter, r *http.Request) error {
	p, o, err := h.chat(r)
	if err != nil {
		return err
	}
	list, err := h.messages(r.Context(), p, o.ID)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, Chat{ChatSummary: chatSummary(o), Settings: settingsOf(o), Head: o.Metadata[labelHead], Messages: orEmpty(list)})
}

// messages reads all of a chat, in the order in which it was written.
func (h handlers) messages(ctx context.Context, p core.Principal, id string) ([]ChatMessage, error) {
	var out []ChatMessage
	page := core.StoredPage{Limit: chatPage}
	for len(out) < maxChatLength {
		items, more, err := h.c.ChatItems.List(ctx, p, id, page)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			m, err := messageOf(it)
			if err != nil {
				return nil, err
			}
			out = append(out, m)
		}
		if !more || len(items) == 0 {
			break
		}
		page.After = items[len(items)-1].ID
	}
	return out, nil
}

func (h handlers) patchChat(w http.ResponseWriter, r *http.Request) error {
	var body ChatPatch
	if err := api.DecodeJSON(r, maxChatBody, &body); err != nil {
		return err
	}
	p, o, err := h.chat(r)
	if err != nil {
		return err
	}
	if body.Head != nil && *body.Head != "" {
		if _, err := h.c.ChatItems.Get(r.Context(), p, o.ID, *body.Head); err != nil {
			return core.Invalid("head", "head is %q; the chat has no such message.", *body.Head)
		}
	}
	if err := relabel(o.Metadata, body); err != nil {
		return err
	}
	if o, err = h.c.Chats.Relabel(r.Context(), p, core.StoredConversation, o.ID, o.Metadata); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, chatSummary(o))
}

// relabel puts what a request changes into the labels of a chat.
func relabel(labels map[string]string, p ChatPatch) error {
	if p.Title != nil {
		title := strings.Join(strings.Fields(*p.Title), " ")
		if utf8.RuneCountInString(title) > maxTitle {
			return core.Invalid("title", "title has more than %d characters.", maxTitle)
		}
		if title != "" {
			labels[labelTitle] = title
		}
	}
	if p.Head != nil {
		labels[labelHead] = *p.Head
	}
	if len(p.Settings) > 0 && string(p.Settings) != "null" {
		if p.Settings[0] != '{' || len(p.Settings) > maxSettings {
			return core.Invalid("settings", "settings must be an object of at most %d bytes.", maxSettings)
		}
		labels[labelSettings] = string(p.Settings)
	}
	return nil
}

func (h handlers) deleteChat(w http.ResponseWriter, r *http.Request) error {
	p, o, err := h.chat(r)
	if err != nil {
		return err
	}
	if err := h.c.Chats.Delete(r.Context(), p, core.StoredConversation, o.ID); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, Removed{Removed: o.ID})
}

func (h handlers) addMessages(w http.ResponseWriter, r *http.Request) error {
	var body NewMessages
	if err := api.DecodeJSON(r, maxChatBody, &body); err != nil {
		return err
	}
	p, o, err := h.chat(r)
	if err != nil {
		return err
	}
	list, items, err := newMessages(body.Parent, body.Messages)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return core.Invalid("messages", "messages is missing or empty.")
	}
	if parent := list[0].Parent; parent != "" {
		if _, err := h.c.ChatItems.Get(r.Context(), p, o.ID, parent); err != nil {
			return core.Invalid("parent", "parent is %q; the chat has no such message.", parent)
		}
	}
	if err := h.c.ChatItems.Add(r.Context(), p, core.StoredConversation, o.ID, items); err != nil {
		return err
	}
	o.Metadata[labelHead] = list[len(list)-1].ID
	if _, err := h.c.Chats.Relabel(r.Context(), p, core.StoredConversation, o.ID, o.Metadata); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, MessageList{Messages: list})
}

func chatSummary(o core.Stored) ChatSummary {
	return ChatSummary{ID: o.ID, Title: o.Metadata[labelTitle], Created: o.Created, Updated: o.Updated}
}

func settingsOf(o core.Stored) json.RawMessage {
	if s := o.Metadata[labelSettings]; s != "" {
		return json.RawMessage(s)
	}
	return json.RawMessage("{}")
}

// roles are those that a message of a chat can have.
func roles() []string { return []string{"user", "assistant", "tool"} }

func knownRole(role string) bool { return slices.Contains(roles(), role) }
