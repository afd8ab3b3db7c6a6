package responses

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// create answers POST /v1/responses.
func (h *handler) create(w http.ResponseWriter, r *http.Request) error {
	var body createRequest
	if err := api.DecodeJSON(r, h.MaxBody, &body); err != nil {
		return err
	}
	p, err := body.plan(h.createFields)
	if err != nil {
		return err
	}
	ctx, who := r.Context(), core.PrincipalFrom(r.Context())
	p.req.ID, p.req.Principal = w.Header().Get(api.HeaderRequestID), who
	if p.before, err = h.earlier(ctx, who, &body.promptFields); err != nil {
		return err
	}
	if p.req.Messages, p.input, err = h.converse(ctx, who, &body.promptFields, p.before); err != nil {
		return err
	}
	m, err := h.Catalogue.Resolve(ctx, body.Model)
	if err != nil {
		return err
	}
	p.resp.ID, p.resp.Model, p.resp.CreatedAt = "resp_"+rand.Text(), m.Name, h.Now().Unix()
	if p.before.conversation != "" {
		p.resp.Conversation = &reference{p.before.conversation}
	}
	if p.background {
		return h.inBackground(w, r, p)
	}
	genCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var sse *api.SSE
	if p.stream {
		sse = api.NewSSE(w, 0)
	}
	src, err := h.openSource(genCtx, p.req, sse)
	if err != nil {
		return broken(sse, err)
	}
	h.Place(w, src.place)
	switch {
	case !p.stream:
		return h.whole(w, r, p, src)
	case p.resp.Store:
		return h.logged(sse, r, p, src, cancel)
	}
	return h.streamed(sse, r, p, src)
}

func (h *handler) maker(p *plan, out sink) *maker {
	return &maker{resp: p.resp, logprobs: p.logprobs, spaces: p.spaces, out: out, now: h.Now}
}

// whole answers with the finished response, and stores it first where it is to be stored.
func (h *handler) whole(w http.ResponseWriter, r *http.Request, p *plan, src *source) error {
	defer src.stop()
	m := h.maker(p, nil)
	ev, err, ok := src.first, error(nil), true
	for ok && err == nil {
		if err := m.see(&ev); err != nil {
			return err
		}
		ev, err, ok = src.next()
	}
	if err != nil {
		return err // it has a status of its own
	}
	if err := m.end(nil); err != nil {
		return err
	}
	body, err := encode(m.resp)
	if err != nil {
		return err
	}
	if p.resp.Store {
		o, add, err := h.object(p)
		if err != nil {
			return err
		}
		o.State, o.Body = core.StoredDone, body
		if err := h.Archive.Keep(r.Context(), p.req.Principal, o, append(add, h.outcome(p, m)...)); err != nil {
			return err
		}
	}
	return api.WriteJSON(w, http.StatusOK, json.RawMessage(body))
}

// object is the response as it is stored at the beginning, with its input.
func (h *handler) object(p *plan) (core.Stored, []core.StoredAdd, error) {
	body, err := encode(p.resp)
	if err != nil {
		return core.Stored{}, nil, err
	}
	o := core.Stored{
		ID: p.resp.ID, Kind: core.StoredResponse, Model: p.resp.Model, Parent: p.before.parent, Created: h.Now(),
		Metadata: p.resp.Metadata, Body: body,
	}
	in, err := p.inputItems()
	return o, []core.StoredAdd{{To: o.ID, Items: in}}, err
}

func (p *plan) inputItems() ([]core.StoredItem, error) {
	out := make([]core.StoredItem, len(p.input))
	for i, it := range p.input {
		var err error
		if out[i], err = it.stored(false); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// outcome is what a finished response adds: to itself what the model said, and to its conversation both sides.
func (h *handler) outcome(p *plan, m *maker) []core.StoredAdd {
	add := []core.StoredAdd{{To: p.resp.ID, Items: m.items}}
	if c := p.before.conversation; c != "" && (m.resp.Status == completed || m.resp.Status == incomplete) {
		in, err := p.inputItems()
		if err == nil {
			add = append(add, core.StoredAdd{To: c, Items: append(in, m.items...)})
		}
	}
	return add
}

// broken tells err to a stream in which only comments came so far. The error is returned in any case: to be answered, or only logged.
func broken(sse *api.SSE, err error) error {
	if sse != nil && sse.Started() {
		e := core.AsError(err)
		_ = sse.JSON("error", errorEvent{Type: "error", Code: e.Code, Message: e.Message, Param: e.Param}) // a client that left needs no word
	}
	return err
}

// errorEvent is the event of a stream that ends before its response began.
type errorEvent struct {
	Type           string    `json:"type"`
	Code           core.Code `json:"code"`
	Message        string    `json:"message"`
	Param          string    `json:"param,omitempty"`
	SequenceNumber int       `json:"sequence_number"`
}

// streamed answers with events that are kept nowhere.
func (h *handler) streamed(sse *api.SSE, r *http.Request, p *plan, src *source) error {
	m := h.maker(p, func(ev core.StoredEvent) error { return tell(sse, ev.Body, p.padded) })
	if err := m.begin(); err != nil {
		src.stop()
		return err
	}
	return src.drain(r.Context(), m)
}

// logged answers with events that are written down as well. When the client leaves, the response is cancelled.
func (h *handler) logged(sse *api.SSE, r *http.Request, p *plan, src *source, stop context.CancelCauseFunc) error {
	o, add, err := h.object(p)
	if err != nil {
		src.stop()
		return broken(sse, err)
	}
	err = h.Runs.Run(r.Context(), p.req.Principal, o, add, func(ctx context.Context, emit func(core.StoredEvent)) core.StoredEnd {
		defer context.AfterFunc(ctx, func() { stop(context.Cause(ctx)) })()
		m := h.maker(p, func(ev core.StoredEvent) error { emit(ev); return nil })
		if err := m.begin(); err != nil {
			src.stop()
			return h.ended(p, m, err)
		}
		return h.ended(p, m, src.drain(ctx, m))
	})
	if err != nil {
		src.stop()
		return broken(sse, err)
	}
	err = h.follow(sse, r, p.resp.ID, reading{after: -1, padded: p.padded})
	if err != nil { // the client left, or the log cannot be read: nobody waits for the rest
		_, cancelErr := h.Runs.Cancel(context.WithoutCancel(r.Context()), p.req.Principal, p.resp.ID)
		if cancelErr != nil && core.CodeOf(cancelErr) != core.CodeNotFound {
			return cancelErr
		}
	}
	return err
}

// ended is the end of a stored response. A sink that only writes down fails for one reason: a defect.
func (h *handler) ended(p *plan, m *maker, err error) core.StoredEnd {
	if err != nil {
		m.resp.Status, m.resp.Error = failed, failureOf(core.AsError(err))
	}
	body, err := encode(m.resp)
	if err != nil {
		body = "{}" // a response always has a JSON form
	}
	return core.StoredEnd{Body: body, Add: h.outcome(p, m)}
}

// inBackground starts a response and answers with it as it is, or with its events as they come.
func (h *handler) inBackground(w http.ResponseWriter, r *http.Request, p *plan) error {
	p.resp.Status = queued
	o, add, err := h.object(p)
	if err != nil {
		return err
	}
	err = h.Runs.Run(r.Context(), p.req.Principal, o, add, func(ctx context.Context, emit func(core.StoredEvent)) core.StoredEnd {
		m := h.maker(p, func(ev core.StoredEvent) error { emit(ev); return nil })
		if err := m.begin(); err != nil {
			return h.ended(p, m, err)
		}
		src, err := h.openSource(ctx, p.req, nil)
		if err != nil {
			return h.ended(p, m, m.end(reason(ctx, err)))
		}
		return h.ended(p, m, src.drain(ctx, m))
	})
	if err != nil {
		return err
	}
	if p.stream {
		return h.follow(api.NewSSE(w, 0), r, p.resp.ID, reading{after: -1, padded: p.padded})
	}
	return api.WriteJSON(w, http.StatusOK, p.resp)
}

// count answers POST /v1/responses/input_tokens.
func (h *handler) count(w http.ResponseWriter, r *http.Request) error {
	var body countRequest
	if err := api.DecodeJSON(r, h.MaxBody, &body); err != nil {
		return err
	}
	if err := h.countFields.Screen("", "", body.countOthers); err != nil {
		return err
	}
	ctx, who := r.Context(), core.PrincipalFrom(r.Context())
	req := &core.Request{ID: w.Header().Get(api.HeaderRequestID), Principal: who, Choices: 1, Fields: core.Fields{Prompt: "input"}}
	if err := body.apply(h.countFields, req); err != nil {
		return err
	}
	before, err := h.earlier(ctx, who, &body.promptFields)
	if err != nil {
		return err
	}
	if req.Messages, _, err = h.converse(ctx, who, &body.promptFields, before); err != nil {
		return err
	}
	n, err := h.Counter.CountTokens(ctx, req)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, tokenCount{"response.input_tokens", n})
}

type tokenCount struct {
	Object      string `json:"object"`
	InputTokens int    `json:"input_tokens"`
}
