package core

import (
	"fmt"
	"time"
)

// QuotaKind says what a quota is for.
type QuotaKind string

// The kinds.
const (
	QuotaUser  QuotaKind = "user"
	QuotaGroup QuotaKind = "group" // all members together
	QuotaKey   QuotaKind = "key"
	QuotaModel QuotaKind = "model" // everybody together
)

// QuotaUnit says what a quota counts.
type QuotaUnit string

// The units.
const (
	QuotaTokens     QuotaUnit = "tokens"     // of prompts and answers
	QuotaRequests   QuotaUnit = "requests"   // that ask a model for something
	QuotaConcurrent QuotaUnit = "concurrent" // requests at once
	QuotaWeight     QuotaUnit = "weight"     // no limit: the share of a user or group beside others who wait
)

// QuotaWindow is the time in which a quota counts. Windows begin on the full minute, day or month, in UTC.
type QuotaWindow string

// The windows. Quotas of requests at once and weights have none.
const (
	QuotaMinute QuotaWindow = "minute"
	QuotaDay    QuotaWindow = "day"
	QuotaMonth  QuotaWindow = "month"
)

// Everyone is the subject of a quota that each user, group, key or model has which has none of its own.
const Everyone = "*"

// Quota is a limit that an admin set. Of one kind, subject, model, unit and window there is one.
type Quota struct {
	ID      string
	Kind    QuotaKind
	Subject string // an id, a model's canonical name, or Everyone
	Model   string // canonical name; what goes to other models does not count; empty: everything counts
	Unit    QuotaUnit
	Window  QuotaWindow
	Limit   int64
	Created time.Time
	Updated time.Time
}

// QuotaUse is what a subject used in one window.
type QuotaUse struct {
	Kind       QuotaKind
	Subject    string
	Model      string // empty: all models together
	Window     QuotaWindow
	Start      time.Time
	Requests   int64
	Prompt     int64 // tokens
	Completion int64 // tokens
}

// QuotaState is a quota with what of it is left.
type QuotaState struct {
	Quota

	Name     string    // of the subject, for people
	Used     int64     // in the present window
	Reserved int64     // held for requests that run
	Resets   time.Time // zero where there is no window
}

// Left is what can still be asked for.
func (q QuotaState) Left() int64 { return max(0, q.Limit-q.Used-q.Reserved) }

// TokenWish is what a request may need at most.
type TokenWish struct {
	Prompt int
	Answer int  // all choices together
	Open   bool // Answer is what the model can do and not what the caller asked for: it may be given less
}

// TokenGrant is what a request was given. Settle is called once, with what was used, and gives the rest back.
type TokenGrant struct {
	Answer int // tokens; less than what was wished where the wish was open
	Settle func(used Usage)
}

// TightQuotaError is the private cause of a refusal that fewer tokens would not have met with.
type TightQuotaError struct{ Left int }

// Error is for the log.
func (q TightQuotaError) Error() string { return fmt.Sprintf("%d tokens are left", q.Left) }
