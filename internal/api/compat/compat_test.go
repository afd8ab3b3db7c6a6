package compat

import (
	"net/http"
	"strings"
	"testing"

	"ashatai/internal/api"
)

func TestMarkdown(t *testing.T) {
	options := api.Fields{
		api.Honours("a", ""), api.Ignores("b", "Why."), api.Refuses("c", "No", "0", "null"), api.Honours("d", "x|y"), api.Honours("e", ""),
	}.Under("o")
	type body struct {
		Name string `json:"name" doc:"of it"`
	}
	got := Markdown([]api.Dialect{{
		Name: "x", Title: "X", About: "About x.", Fields: api.Fields{api.Honours("h", "Head.")}.In(api.InHeader),
		Absent: []api.Absent{{Path: "/x/no", Note: "Not."}},
		Routes: []api.Route{
			{Method: http.MethodPost, Path: "/x/one", Summary: "One.", Fields: append(api.Fields{api.Honours("o", "")}, options...)},
			{Method: http.MethodPost, Path: "/x/two", Summary: "Two.", Fields: append(options, api.Honours("z", ""))},
			{Method: http.MethodPost, Path: "/x/three", Request: body{}},
			{Method: http.MethodGet, Path: "/x/four"},
		},
	}, {Name: "y"}})
	_, got, _ = strings.Cut(got, "\n## ")
	const want = `X

About x.

| call | |
| --- | --- |
| ~POST /x/one~ | One. |
| ~POST /x/two~ | Two. |
| ~POST /x/three~ |  |
| ~GET /x/four~ |  |

Not served; these answer 404, as does everything below them (405 where the path is served for another method):

| path | |
| --- | --- |
| ~/x/no~ | Not. |

### X: every call

| field | | |
| --- | --- | --- |
| ~h~ | honoured (header) | Head. |

### POST /x/one

| field | | |
| --- | --- | --- |
| ~o~ | honoured |  |
| ~o.a~ | honoured |  |
| ~o.b~ | ignored | Why. |
| ~o.c~ | refused, except ~0~ ~null~ | No. |
| ~o.d~ | honoured | x\\|y. |
| ~o.e~ | honoured |  |

### POST /x/two

| field | | |
| --- | --- | --- |
| ~o.*~ | | As ~o.*~ of ~POST /x/one~. |
| ~z~ | honoured |  |

### POST /x/three

| field | | |
| --- | --- | --- |
| ~name~ | honoured | Of it. |

## y

| call | |
| --- | --- |
`
	if want := strings.ReplaceAll(want, "~", "`"); got != strings.ReplaceAll(want, `\\`, `\`) {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
