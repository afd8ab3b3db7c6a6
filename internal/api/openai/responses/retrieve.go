package responses

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

// lostMessage is what a response says that was being made when the server ended.
const lostMessage = "The server ended while it made this response. Send the request again."

// load returns a response as it is now.
func (h *handler) load(r *http.Request, id string) (core.Stored, response, error) {
	who := core.PrincipalFrom(r.Context())
	o, err := h.Archive.Get(r.Context(), who, core.StoredResponse, id)
	if err != nil {
		return o, response{}, err
	}
	var resp response
	if err := json.Unmarshal([]byte(o.Body), &resp); err != nil {
		return o, resp, core.Wrap(core.CodeInternal, err, "The stored response %s cannot be read.", id)
	}
	switch o.State {
	case core.StoredDone:
	case core.StoredRunning:
		err = h.progress(r, id, func(kind string, _ string) {
			if kind == "response.in_progress" {
				resp.Status = inProgress
			}
		})
	case core.StoredLost:
		resp.Status, resp.Error = failed, &failure{Code: "server_error", Message: lostMessage}
		err = h.progress(r, id, func(kind, body string) {
			var ev struct {
				Item json.RawMessage `json:"item"`
			}
			if kind == "response.output_item.done" && json.Unmarshal([]byte(body), &ev) == nil {
				resp.Output = append(resp.Output, ev.Item)
			}
		})
	}
	return o, resp, err
}

// progress shows what is in the log of a response, without waiting for more.
func (h *handler) progress(r *http.Request, id string, see func(kind, body string)) error {
	events, err := h.Runs.Logged(r.Context(), core.PrincipalFrom(r.Context()), id)
	for _, ev := range events {
		see(typeOf(ev.Body), ev.Body)
	}
	return err
}

// get answers GET /v1/responses/{id}.
func (h *handler) get(w http.ResponseWriter, r *http.Request) error {
	q, id := r.URL.Query(), r.PathValue("id")
	how, err := streamQuery(q)
	if err != nil {
		return err
	}
	o, resp, err := h.load(r, id)
	if err != nil {
		return err
	}
	if !how.stream {
		return api.WriteJSON(w, http.StatusOK, resp)
	}
	if !o.Logged {
		return core.Invalid("stream", "The events of %s were not kept: it was made without stream and without background. Read it without stream.", id)
	}
	return h.follow(api.NewSSE(w, 0), r, id, how)
}

// reading is how a response is read.
type reading struct {
	stream bool
	after  int64 // the last event that is known; -1: none
	padded bool  // deltas
}

// streamQuery reads the query of a response.
func streamQuery(q url.Values) (reading, error) {
	for _, name := range []string{"stream", "include_obfuscation"} {
		v := q.Get(name)
		if err := param.OneOf(name, &v, "", "true", "false"); err != nil {
			return reading{}, err
		}
	}
	how := reading{stream: q.Get("stream") == "true", after: -1, padded: q.Get("include_obfuscation") == "true"}
	if v := q.Get("starting_after"); v != "" {
		var err error
		if how.after, err = strconv.ParseInt(v, 10, 64); err != nil || how.after < 0 {
			return how, core.Invalid("starting_after", "starting_after is %s; it is the sequence_number of the last event that was received.", api.Show(v))
		}
	}
	return how, checkInclude(included(q))
}

// follow answers with the events of a response after the one that is known, and waits for more while it is made.
// A response that was lost ends with an event that says so.
func (h *handler) follow(sse *api.SSE, r *http.Request, id string, how reading) error {
	last := how.after
	for ev, err := range h.Runs.Follow(r.Context(), core.PrincipalFrom(r.Context()), id, how.after) {
		if err == nil {
			err = tell(sse, ev.Body, how.padded)
		}
		if err != nil {
			return err
		}
		last = ev.Seq
	}
	o, resp, err := h.load(r, id)
	if err != nil || o.State != core.StoredLost {
		if err == nil && !sse.Started() {
			err = sse.Start()
		}
		return err
	}
	events, err := h.Runs.Logged(r.Context(), core.PrincipalFrom(r.Context()), id)
	if err != nil {
		return err
	}
	end := event{Type: "response.failed", Response: &resp}
	if n := len(events); n > 0 {
		end.SequenceNumber = events[n-1].Seq + 1
	}
	if last >= end.SequenceNumber {
		return sse.Start()
	}
	body, err := encode(end)
	if err != nil {
		return err
	}
	return sse.Event(end.Type, body)
}

// remove answers DELETE /v1/responses/{id}.
func (h *handler) remove(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := h.Archive.Delete(r.Context(), core.PrincipalFrom(r.Context()), core.StoredResponse, id); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, param.Deleted{ID: id, Object: "response", Deleted: true})
}

// cancel answers POST /v1/responses/{id}/cancel. Cancelling again, or too late, gives the response as it is.
func (h *handler) cancel(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	_, resp, err := h.load(r, id)
	if err != nil {
		return err
	}
	if !resp.Background {
		return core.Invalid("response_id", "%s was not made in the background; only such responses can be cancelled.", id)
	}
	if _, err := h.Runs.Cancel(r.Context(), core.PrincipalFrom(r.Context()), id); err != nil {
		return err
	}
	if _, resp, err = h.load(r, id); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, resp)
}

// inputItems answers GET /v1/responses/{id}/input_items.
func (h *handler) inputItems(w http.ResponseWriter, r *http.Request) error {
	id, who := r.PathValue("id"), core.PrincipalFrom(r.Context())
	page, err := itemPage(r.URL.Query())
	if err != nil {
		return err
	}
	if _, err := h.Archive.Get(r.Context(), who, core.StoredResponse, id); err != nil {
		return err
	}
	page.InputOnly = true
	return h.writeItems(w, r, id, page)
}

func itemPage(q url.Values) (core.StoredPage, error) {
	page, err := param.Page(q, true)
	if err == nil {
		err = checkInclude(included(q))
	}
	return page, err
}

func (h *handler) writeItems(w http.ResponseWriter, r *http.Request, object string, page core.StoredPage) error {
	list, more, err := h.Items.List(r.Context(), core.PrincipalFrom(r.Context()), object, page)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, param.ItemList(list, more))
}

// included is the list include of a query, in either spelling.
func included(q url.Values) []string { return slices.Concat(q["include"], q["include[]"]) }
