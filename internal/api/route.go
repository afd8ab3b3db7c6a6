// Package api is the table of routes and what is made from it: the mux, the OpenAPI document, the metric labels. A
// dialect is a folder below it that lists rows and knows one error shape. It imports core and obs and nothing else of
// the project.
package api

import (
	"net/http"

	"ashatai/internal/core"
	"ashatai/internal/feature"
)

// LimitClass says which request limits count for a route.
type LimitClass string

// The limit classes.
const (
	LimitNone  LimitClass = ""      // health, the page
	LimitRead  LimitClass = "read"  // cheap look-ups
	LimitInfer LimitClass = "infer" // anything that costs tokens
	LimitWrite LimitClass = "write" // changes of state
)

// AuditClass says what the audit keeps of a call.
type AuditClass string

// The audit classes.
const (
	AuditNone   AuditClass = ""       // nothing
	AuditUse    AuditClass = "use"    // that it was used
	AuditChange AuditClass = "change" // an act on an object; refused when it cannot be recorded
)

// ObjectKind names the kind of object that a route's path parameter addresses.
type ObjectKind string

// The object kinds.
const (
	ObjectNone    ObjectKind = ""
	ObjectModel   ObjectKind = "model"
	ObjectJob     ObjectKind = "job"     // work of the server; every operator's
	ObjectStored  ObjectKind = "stored"  // a chat, response or conversation; its owner's alone
	ObjectUser    ObjectKind = "user"    // an account
	ObjectGroup   ObjectKind = "group"   // of accounts
	ObjectKey     ObjectKind = "key"     // an API key; its account's, and an admin's
	ObjectSession ObjectKind = "session" // a login; its account's, and an admin's
	ObjectQuota   ObjectKind = "quota"   // a limit; an admin's
	ObjectFlag    ObjectKind = "flag"    // a feature's flag
	ObjectSecret  ObjectKind = "secret"  // a sealed credential; an admin's to set, and nobody's to see
)

// Route is one row of the table. Everything else about a route derives from it.
type Route struct {
	Method  string     // "GET"
	Path    string     // ServeMux pattern without the method: "/v1/models/{id...}"
	Summary string     // one sentence, for OpenAPI and the docs
	Like    string     // the path of the same call in another dialect: settings that name that one mean this one too
	Scope   core.Scope // the scope a caller needs; ScopePublic for none
	Local   bool       // a caller on this machine itself needs no credentials
	Limit   LimitClass
	Audit   AuditClass
	Object  ObjectKind
	Feature feature.Name // the call is there while this feature is open for the caller, and the dialect's too
	MaxBody int64        // bytes; 0: the server's default for the method
	Turns   bool         // the body is a stream of requests, each of which begins with NextTurn; MaxBody and the limits hold for each

	Request  any    // zero value of the request's JSON type; nil where there is none
	Bodiless bool   // the request may come without a body too
	Response any    // zero value of the answer's JSON type; nil where it is not JSON
	Stream   any    // zero value of one event's JSON type, where the answer can be an event stream
	Produces string // media type of the answer; "" is application/json
	Fields   Fields // what the request may hold; nil: what the request's type has, all of it honoured
	Statuses []int  // statuses other than 200 that the handler may answer, for OpenAPI

	Handle Handler
}

// Of gives rows to a feature, but for those that have one of their own.
func Of(f feature.Name, rows ...Route) []Route {
	for i := range rows {
		if rows[i].Feature == feature.None {
			rows[i].Feature = f
		}
	}
	return rows
}

// Handler answers a request. An error that it returns before it wrote anything is written in the dialect's shape; after
// that the handler must have written it itself in the stream's way, and the error is only logged.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Absent is a call that clients know and that is not served: it answers 404 in the dialect's shape, as does all below it.
type Absent struct{ Path, Note string }

// Dialect is a set of rows that share one error shape.
type Dialect struct {
	Name       string // "openai": a metric label and an OpenAPI tag
	Title      string // its name in the documentation; empty: Name
	About      string // what it is, for the documentation
	Routes     []Route
	Absent     []Absent // calls of the same public interface that are not served
	Prefixes   []string // path prefixes whose unknown paths and methods are answered in this dialect's shape: "/v1/"
	Fields     Fields   // what every call of the dialect may hold, such as headers
	Feature    feature.Name
	Proto      string // the description of calls that are no JSON; OpenAPI then has none
	Error      any    // zero value of the error's JSON type, for OpenAPI; nil is ErrorBody
	WriteError func(w http.ResponseWriter, r *http.Request, e *core.Error)
}
