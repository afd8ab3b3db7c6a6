package sso

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"sync"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

const style = `body{font:16px/1.5 system-ui,sans-serif;margin:0;display:grid;min-height:100vh;place-items:center;color:#1c1e21;background:#f6f7f8}
main{max-width:34rem;margin:1rem;padding:1.5rem 2rem;border:1px solid #d5d9de;border-radius:8px;background:#fff}
h1{font-size:1.25rem;margin:0 0 .75rem}a{color:#0b57d0}small{color:#5a6068}p{overflow-wrap:anywhere}
@media(prefers-color-scheme:dark){body{color:#e6e8ea;background:#15171a}main{background:#1d2024;border-color:#383d44}a{color:#8ab4f8}small{color:#a3a9b1}}`

var page = sync.OnceValue(func() *template.Template { //nolint:gochecknoglobals // parsed once
	return template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>The login did not work</title><style>` + style + `</style></head>
<body><main><h1>The login did not work</h1><p role="alert">{{.Message}}</p>
<p>{{if .Again}}<a href="` + login + `">Begin again</a> or {{end}}<a href="/">go to the page</a>.</p>
<p><small>Request {{.Request}}</small></p></main></body></html>
`))
})

// policy lets the page's own style in and nothing else.
var policy = sync.OnceValue(func() string { //nolint:gochecknoglobals // hashed once
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
})

// writePage tells a person what went wrong and what to do.
func writePage(w http.ResponseWriter, e *core.Error) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy())
	w.WriteHeader(api.ErrorHeaders(w, e))
	_ = page().Execute(w, map[string]any{ // a browser that went away needs no page
		"Message": e.Message, "Again": e.Code != core.CodeNotFound, "Request": h.Get(api.HeaderRequestID),
	})
}
