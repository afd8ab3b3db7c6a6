package param

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

const (
	defaultPage = 20
	maxPage     = 100
)

// Page reads the query parameters after, limit and order. descending is the order of a query that names none.
func Page(q url.Values, descending bool) (core.StoredPage, error) {
	p := core.StoredPage{After: q.Get("after"), Limit: defaultPage, Descending: descending}
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > maxPage {
			return p, core.Invalid("limit", "limit is %s; it must be between 0 and %d.", api.Show(v), maxPage)
		}
		p.Limit = n
	}
	if v := q.Get("order"); v != "" {
		if err := OneOf("order", &v, "asc", "desc"); err != nil {
			return p, err
		}
		p.Descending = v == "desc"
	}
	return p, nil
}

// PageFields are the query parameters that Page reads.
func PageFields(order string) api.Fields {
	return api.Fields{
		api.Honours("after", "The page after this id."),
		api.Honours("limit", "0 to 100; 20 when absent. 0 gives an empty page, which says whether there is more."),
		api.Honours("order", "asc or desc; "+order+" when absent."),
	}.In(api.InQuery)
}

// LabelFields are those of a body that puts new labels on an object.
func LabelFields() api.Fields {
	return api.Fields{api.Honours("metadata", "Up to 16 labels, in place of those before.")}
}

// Labels reads query parameters of the form metadata[key]=value.
func Labels(q url.Values) (map[string]string, error) {
	out := map[string]string{}
	for name, values := range q {
		if key, ok := strings.CutPrefix(name, "metadata["); ok && strings.HasSuffix(key, "]") && len(values) > 0 {
			out[strings.TrimSuffix(key, "]")] = values[0]
		}
	}
	return Metadata("metadata", out)
}

// List is a page of objects.
type List[T any] struct {
	Object  string  `json:"object"`
	Data    []T     `json:"data"`
	FirstID *string `json:"first_id"`
	LastID  *string `json:"last_id"`
	HasMore bool    `json:"has_more"`
}

// NewList makes a page of objects with their ids, which are as many.
func NewList[T any](data []T, ids []string, more bool) List[T] {
	l := List[T]{Object: "list", Data: data, HasMore: more}
	if l.Data == nil {
		l.Data = []T{}
	}
	if len(ids) > 0 {
		l.FirstID, l.LastID = &ids[0], &ids[len(ids)-1]
	}
	return l
}

// ItemList makes a page of stored items.
func ItemList(items []core.StoredItem, more bool) List[json.RawMessage] {
	data, ids := make([]json.RawMessage, len(items)), make([]string, len(items))
	for i, it := range items {
		data[i], ids[i] = json.RawMessage(it.Body), it.ID
	}
	return NewList(data, ids, more)
}

// Labelling is the body of a request that puts new labels on a stored object.
type Labelling struct {
	Metadata map[string]string `json:"metadata"`
}

// Labels are the checked labels; null stands for none.
func (l Labelling) Labels() (map[string]string, error) { return Metadata("metadata", l.Metadata) }

// Deleted says that an object is gone.
type Deleted struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Deleted bool   `json:"deleted"`
}
