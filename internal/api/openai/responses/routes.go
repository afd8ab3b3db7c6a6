package responses

import (
	"net/http"
	"strings"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
	"ashatai/internal/feature"
)

// Config is what the API needs beyond its partners.
type Config struct {
	Partners

	MaxBody  int64
	Now      func() time.Time
	Refusals []int                                         // statuses of a request that makes text
	Place    func(w http.ResponseWriter, p core.Placement) // tells where an answer comes from
}

// handler answers the routes. It has no state that changes.
type handler struct {
	Config

	createFields, countFields api.Table
}

// Routes are the rows of the API.
func Routes(cfg Config) []api.Route {
	h := &handler{Config: cfg, createFields: createTable().Table(), countFields: countTable().Table()}
	read := api.Route{Method: http.MethodGet, Scope: core.ScopeRead, Limit: api.LimitRead}
	change := api.Route{Method: http.MethodPost, Scope: core.ScopeInfer, Limit: api.LimitWrite, Audit: api.AuditUse, MaxBody: cfg.MaxBody}
	remove := api.Route{Method: http.MethodDelete, Scope: core.ScopeInfer, Limit: api.LimitWrite, Audit: api.AuditChange}
	wrong, bad := []int{http.StatusBadRequest, http.StatusNotFound}, []int{http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable}
	row := func(base api.Route, path, summary string, request, response any, statuses []int, handle api.Handler, fields ...api.Field) api.Route {
		if strings.Contains(path, "{id}") {
			base.Object = api.ObjectStored
		}
		base.Path, base.Summary, base.Request, base.Response, base.Statuses, base.Handle = path, summary, request, response, statuses, handle
		base.Fields = fields
		return base
	}
	make1 := row(change, "/v1/responses", "Make a response, whole, streamed or in the background.", createRequest{}, response{}, cfg.Refusals, h.create, createTable()...)
	make1.Limit, make1.Stream = api.LimitInfer, event{}
	one := row(read, "/v1/responses/{id}", "Read a stored response, or its events from any point.", nil, response{}, wrong, h.get, readFields()...)
	one.Stream = event{}
	count := row(change, "/v1/responses/input_tokens", "Count the tokens of a prompt.", countRequest{}, tokenCount{}, cfg.Refusals, h.count, countTable()...)
	count.Limit = api.LimitInfer
	type items = param.List[any]
	return api.Of(feature.Responses, []api.Route{
		make1, count, one,
		row(remove, "/v1/responses/{id}", "Delete a stored response.", nil, param.Deleted{}, wrong, h.remove),
		row(change, "/v1/responses/{id}/cancel", "End a response that is made in the background.", nil, response{}, wrong, h.cancel),
		row(read, "/v1/responses/{id}/input_items", "List what a response was made from.", nil, items{}, wrong, h.inputItems, pageFields()...),
		row(change, "/v1/conversations", "Begin a conversation.", newConversation{}, conversation{}, bad, h.createConversation, conversationFields()...),
		row(read, "/v1/conversations/{id}", "Read a conversation.", nil, conversation{}, wrong, h.getConversation),
		row(change, "/v1/conversations/{id}", "Put new labels on a conversation.", param.Labelling{}, conversation{}, bad, h.labelConversation, param.LabelFields()...),
		row(remove, "/v1/conversations/{id}", "Delete a conversation.", nil, param.Deleted{}, wrong, h.deleteConversation),
		row(read, "/v1/conversations/{id}/items", "List the items of a conversation.", nil, items{}, wrong, h.listItems, pageFields()...),
		row(change, "/v1/conversations/{id}/items", "Add items to a conversation.", newItems{}, items{}, bad, h.addItems, itemFields()...),
		row(read, "/v1/conversations/{id}/items/{item}", "Read an item of a conversation.", nil, nil, wrong, h.getItem, includeFields()...),
		row(remove, "/v1/conversations/{id}/items/{item}", "Delete an item of a conversation.", nil, conversation{}, wrong, h.deleteItem),
	}...)
}
