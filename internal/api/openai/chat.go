package openai

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

// chat answers POST /v1/chat/completions.
func (h *handler) chat(w http.ResponseWriter, r *http.Request) error {
	var body chatRequest
	if err := api.DecodeJSON(r, maxBody, &body); err != nil {
		return err
	}
	req, err := body.request(h.fields.chat)
	if err != nil {
		return err
	}
	own(req, w, r)
	sse := api.NewSSE(w, 0)
	s, err := sse.Queued(r.Context(), body.streams(), func(ctx context.Context) (*core.Stream, error) { return h.gen.Generate(ctx, req) })
	if err != nil {
		return fail(sse, err)
	}
	form := &chatShape{oldForm: body.oldForm()}
	if !body.keeps() {
		return h.answer(w, sse, s, req.Choices, form, &body.common)
	}
	place(w, s.Placement)
	k := &keeper{
		h: h, ctx: r.Context(), who: req.Principal, body: &body, form: form, top: h.head(form.prefix(), s.Placement),
		all: newCollector(req.Choices),
	}
	k.top.timed = body.wantsTimings()
	if body.streams() {
		return stream(sse, s, req.Choices, form, k.top.chunks(form, &body.common), k)
	}
	for ev, err := range s.Events {
		if err == nil {
			err = k.see(&ev)
		}
		if err != nil {
			return err
		}
	}
	if err := k.end(); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, json.RawMessage(k.answer))
}

// keeper stores a chat that ended. A nil keeper stores nothing.
type keeper struct {
	h      *handler
	ctx    context.Context //nolint:containedctx // the request's; a keeper lives as long
	who    core.Principal
	body   *chatRequest
	form   *chatShape
	top    head
	all    *collector
	answer []byte
}

func (k *keeper) see(ev *core.Event) error {
	if k == nil {
		return nil
	}
	return k.all.see(ev)
}

func (k *keeper) end() error {
	if k == nil {
		return nil
	}
	answers, err := k.all.end()
	if err != nil {
		return err
	}
	k.answer = k.top.whole(k.form, answers, k.all.usage)
	items := make([]core.StoredItem, 0, len(k.body.Messages))
	for i, m := range k.body.Messages {
		id := k.top.id + "-" + strconv.Itoa(i)
		text, err := json.Marshal(storedMessage{ID: id, chatMessage: m})
		if err != nil {
			return core.Wrap(core.CodeInternal, err, "The chat could not be stored.")
		}
		items = append(items, core.StoredItem{ID: id, Body: string(text)})
	}
	return k.h.stored.Keep(k.ctx, k.who, core.Stored{
		ID: k.top.id, Kind: core.StoredChat, State: core.StoredDone, Model: k.top.model, Metadata: k.body.Metadata, Body: string(k.answer),
	}, []core.StoredAdd{{To: k.top.id, Items: items}})
}

// storedMessage is a message of a stored chat.
type storedMessage struct {
	ID string `json:"id"`
	chatMessage
}

// storedChat is a stored chat: the answer as it was given, with the labels of today.
type storedChat struct {
	chatAnswer
	Metadata map[string]string `json:"metadata"`
}

func chatOf(o core.Stored) (json.RawMessage, error) {
	labels, err := json.Marshal(o.Metadata)
	if err != nil || o.Body == "" {
		return nil, core.Wrap(core.CodeInternal, err, "The stored chat cannot be read.")
	}
	return json.RawMessage(o.Body[:len(o.Body)-1] + `,"metadata":` + string(labels) + "}"), nil
}

// chats answers GET /v1/chat/completions.
func (h *handler) chats(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	page, err := param.Page(q, false)
	if err != nil {
		return err
	}
	labels, err := param.Labels(q)
	if err != nil {
		return err
	}
	f := core.StoredFilter{StoredPage: page, Kind: core.StoredChat, Model: q.Get("model"), Metadata: labels}
	if f.Model != "" {
		if m, err := h.cat.Resolve(r.Context(), f.Model); err == nil {
			f.Model = m.Name
		}
	}
	list, more, err := h.stored.List(r.Context(), core.PrincipalFrom(r.Context()), f)
	if err != nil {
		return err
	}
	data, ids := make([]json.RawMessage, len(list)), make([]string, len(list))
	for i, o := range list {
		ids[i] = o.ID
		if data[i], err = chatOf(o); err != nil {
			return err
		}
	}
	return api.WriteJSON(w, http.StatusOK, param.NewList(data, ids, more))
}

// storedChat answers GET /v1/chat/completions/{id}.
func (h *handler) storedChat(w http.ResponseWriter, r *http.Request) error {
	o, err := h.stored.Get(r.Context(), core.PrincipalFrom(r.Context()), core.StoredChat, r.PathValue("id"))
	if err != nil {
		return err
	}
	return h.writeChat(w, o)
}

func (h *handler) writeChat(w http.ResponseWriter, o core.Stored) error {
	body, err := chatOf(o)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, body)
}

// labelChat answers POST /v1/chat/completions/{id}.
func (h *handler) labelChat(w http.ResponseWriter, r *http.Request) error {
	var body param.Labelling
	if err := api.DecodeJSON(r, maxBody, &body); err != nil {
		return err
	}
	labels, err := body.Labels()
	if err != nil {
		return err
	}
	o, err := h.stored.Relabel(r.Context(), core.PrincipalFrom(r.Context()), core.StoredChat, r.PathValue("id"), labels)
	if err != nil {
		return err
	}
	return h.writeChat(w, o)
}

// deleteChat answers DELETE /v1/chat/completions/{id}.
func (h *handler) deleteChat(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := h.stored.Delete(r.Context(), core.PrincipalFrom(r.Context()), core.StoredChat, id); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, param.Deleted{ID: id, Object: "chat.completion.deleted", Deleted: true})
}

// chatMessages answers GET /v1/chat/completions/{id}/messages.
func (h *handler) chatMessages(w http.ResponseWriter, r *http.Request) error {
	page, err := param.Page(r.URL.Query(), false)
	if err != nil {
		return err
	}
	who, id := core.PrincipalFrom(r.Context()), r.PathValue("id")
	if _, err := h.stored.Get(r.Context(), who, core.StoredChat, id); err != nil {
		return err
	}
	list, more, err := h.items.List(r.Context(), who, id, page)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, param.ItemList(list, more))
}
