package responses

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

// maxNewItems is how many items one request may add to a conversation; OpenAI's own limit.
const maxNewItems = 20

// conversation is a conversation without its items.
type conversation struct {
	ID        string            `json:"id"`
	Object    string            `json:"object"`
	CreatedAt int64             `json:"created_at" doc:"seconds since 1970"`
	Metadata  map[string]string `json:"metadata"`
}

func conversationOf(o core.Stored) conversation {
	return conversation{ID: o.ID, Object: "conversation", CreatedAt: o.Created.Unix(), Metadata: o.Metadata}
}

type newConversation struct {
	Items    json.RawMessage   `json:"items,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

type newItems struct {
	Items json.RawMessage `json:"items"`
}

// readItems reads the items of a conversation. A reference has nothing to stand for there.
func readItems(raw json.RawMessage) ([]core.StoredItem, error) {
	if !api.Present(raw) {
		return nil, nil
	}
	if raw[0] != '[' {
		return nil, core.Invalid("items", "items must be a list of items.")
	}
	list, err := readInput("items", raw)
	if err != nil {
		return nil, err
	}
	if len(list) > maxNewItems {
		return nil, core.Invalid("items", "items has %d entries; at most %d are allowed at once.", len(list), maxNewItems)
	}
	out := make([]core.StoredItem, len(list))
	for i, it := range list {
		if it.kind == typeReference {
			at := fmt.Sprintf("items.%d.type", i)
			return nil, core.Invalid(at, "%s is item_reference; a conversation holds the items themselves.", at)
		}
		if out[i], err = it.stored(false); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// createConversation answers POST /v1/conversations.
func (h *handler) createConversation(w http.ResponseWriter, r *http.Request) error {
	var body newConversation
	if err := api.DecodeJSON(r, h.MaxBody, &body); err != nil {
		return err
	}
	items, err := readItems(body.Items)
	if err != nil {
		return err
	}
	labels, err := param.Metadata("metadata", body.Metadata)
	if err != nil {
		return err
	}
	o := core.Stored{
		ID: "conv_" + rand.Text(), Kind: core.StoredConversation, State: core.StoredDone, Created: h.Now(), Metadata: labels, Body: "{}",
	}
	if err := h.Archive.Keep(r.Context(), core.PrincipalFrom(r.Context()), o, []core.StoredAdd{{To: o.ID, Items: items}}); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, conversationOf(o))
}

func (h *handler) loadConversation(r *http.Request) (core.Stored, error) {
	return h.Archive.Get(r.Context(), core.PrincipalFrom(r.Context()), core.StoredConversation, r.PathValue("id"))
}

// getConversation answers GET /v1/conversations/{id}.
func (h *handler) getConversation(w http.ResponseWriter, r *http.Request) error {
	o, err := h.loadConversation(r)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, conversationOf(o))
}

// labelConversation answers POST /v1/conversations/{id}.
func (h *handler) labelConversation(w http.ResponseWriter, r *http.Request) error {
	var body param.Labelling
	if err := api.DecodeJSON(r, h.MaxBody, &body); err != nil {
		return err
	}
	labels, err := body.Labels()
	if err != nil {
		return err
	}
	o, err := h.Archive.Relabel(r.Context(), core.PrincipalFrom(r.Context()), core.StoredConversation, r.PathValue("id"), labels)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, conversationOf(o))
}

// deleteConversation answers DELETE /v1/conversations/{id}.
func (h *handler) deleteConversation(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := h.Archive.Delete(r.Context(), core.PrincipalFrom(r.Context()), core.StoredConversation, id); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, param.Deleted{ID: id, Object: "conversation.deleted", Deleted: true})
}

// addItems answers POST /v1/conversations/{id}/items.
func (h *handler) addItems(w http.ResponseWriter, r *http.Request) error {
	var body newItems
	if err := api.DecodeJSON(r, h.MaxBody, &body); err != nil {
		return err
	}
	if err := checkInclude(included(r.URL.Query())); err != nil {
		return err
	}
	items, err := readItems(body.Items)
	if err != nil {
		return err
	}
	if len(items) == 0 {
		return core.Invalid("items", "items is missing or empty.")
	}
	err = h.Items.Add(r.Context(), core.PrincipalFrom(r.Context()), core.StoredConversation, r.PathValue("id"), items)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, param.ItemList(items, false))
}

// listItems answers GET /v1/conversations/{id}/items.
func (h *handler) listItems(w http.ResponseWriter, r *http.Request) error {
	page, err := itemPage(r.URL.Query())
	if err != nil {
		return err
	}
	o, err := h.loadConversation(r)
	if err != nil {
		return err
	}
	return h.writeItems(w, r, o.ID, page)
}

// getItem answers GET /v1/conversations/{id}/items/{item}.
func (h *handler) getItem(w http.ResponseWriter, r *http.Request) error {
	if err := checkInclude(included(r.URL.Query())); err != nil {
		return err
	}
	o, err := h.loadConversation(r)
	if err != nil {
		return err
	}
	it, err := h.Items.Get(r.Context(), core.PrincipalFrom(r.Context()), o.ID, r.PathValue("item"))
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, json.RawMessage(it.Body))
}

// deleteItem answers DELETE /v1/conversations/{id}/items/{item} with the conversation.
func (h *handler) deleteItem(w http.ResponseWriter, r *http.Request) error {
	o, err := h.loadConversation(r)
	if err != nil {
		return err
	}
	if err := h.Items.Delete(r.Context(), core.PrincipalFrom(r.Context()), o.ID, r.PathValue("item")); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, conversationOf(o))
}
