package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

type timeoutError struct{}

func (timeoutError) Error() string   { return "timeout" }
func (timeoutError) Is(e error) bool { return e == os.ErrDeadlineExceeded }

type inner struct {
	Name string `json:"name"`
	N    *int   `json:"n"`
}

type base struct {
	Common string `json:"common"`
}

// own reads itself: text or a list.
type own struct{ parts []string }

func (o *own) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		o.parts = []string{""}
		return json.Unmarshal(data, &o.parts[0])
	}
	return Strict(data, &o.parts)
}

type sample struct {
	base

	Model    string             `json:"model"`
	Temp     float64            `json:"temperature"`
	Small    float32            `json:"small"`
	Count    uint8              `json:"count"`
	Stream   bool               `json:"stream"`
	Messages []inner            `json:"messages"`
	Bias     map[int]float64    `json:"bias"`
	Any      any                `json:"any"`
	Raw      json.RawMessage    `json:"raw"`
	Bytes    []byte             `json:"bytes"`
	Own      own                `json:"own"`
	When     time.Time          `json:"when"`
	Deep     map[string][]inner `json:"deep"`
	Plain    string
	Hidden   string `json:"-"`
	private  string
}

func TestStrictReads(t *testing.T) {
	var got sample
	const body = ` {"model":"a\"b","common":"c","temperature":1,"small":0.5,"count":255,"stream":true,"messages":[{"name":"x","n":-3},{"n":null}],
		"bias":{"7":-1.5},"any":{"x":[1,{"y":null}]},"raw":{"z":1},"bytes":"AQI=","own":["p","q"],"when":"2026-01-02T03:04:05Z",
		"deep":{"k":[{"name":"\u00e9"}]},"Plain":"p"} `
	if err := Strict([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	var want sample
	if err := json.Unmarshal([]byte(body), &want); err != nil { //nolint:musttag // a field without a tag is one of the cases
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) || got.private != "" {
		t.Errorf("%+v\n%+v", got, want)
	}
}

func TestStrictRefuses(t *testing.T) {
	for name, c := range map[string]struct{ body, param, says string }{
		"empty":           {" ", "", "empty"},
		"syntax":          {"{\n \"model\": ]}", "", "line 2, column 11"},
		"cut":             {`{"model":"x`, "", "not valid JSON"},
		"trailing":        {`{} {}`, "", "after top-level value"},
		"utf8":            {"{\"model\":\"\xff\"}", "", "UTF-8"},
		"not an object":   {`[1]`, "", "must be an object, not an array"},
		"unknown":         {`{"molde":1}`, "molde", "not a field"},
		"case":            {`{"Model":"x"}`, "Model", "not a field"},
		"hidden":          {`{"Hidden":"x"}`, "Hidden", "not a field"},
		"private":         {`{"private":"x"}`, "private", "not a field"},
		"nested unknown":  {`{"messages":[{},{"nam":1}]}`, "messages.1.nam", "not a field"},
		"duplicate":       {`{"model":"a","model":"b"}`, "model", "twice"},
		"escaped twin":    {`{"model":"a","mod\u0065l":"b"}`, "model", "twice"},
		"duplicate deep":  {`{"any":{"x":[{"y":1,"y":2}]}}`, "any.x.0.y", "twice"},
		"duplicate raw":   {`{"raw":{"y":1,"y":2}}`, "raw.y", "twice"},
		"string":          {`{"model":3}`, "model", "a string, not a number"},
		"number":          {`{"temperature":"1"}`, "temperature", "a number, not a string"},
		"bool":            {`{"stream":1}`, "stream", "true or false"},
		"object for text": {`{"model":{}}`, "model", "a string, not an object"},
		"array":           {`{"messages":{}}`, "messages", "an array"},
		"null in a list":  {`{"messages":[{},null]}`, "messages.1", "an object, not null"},
		"null in a map":   {`{"bias":{"1":null}}`, "bias.1", "a number, not null"},
		"element":         {`{"messages":["x"]}`, "messages.0", "an object, not a string"},
		"bool for number": {`{"count":true}`, "count", "a whole number"},
		"fraction":        {`{"messages":[{"n":1.5}]}`, "messages.0.n", "whole number"},
		"overflow":        {`{"count":256}`, "count", "whole number"},
		"negative":        {`{"count":-1}`, "count", "not negative"},
		"float range":     {`{"small":1e99}`, "small", "out of range"},
		"long number":     {`{"count":` + strings.Repeat("9", 500) + `}`, "count", "999…"},
		"map key":         {`{"bias":{"x":1}}`, "bias", "number"},
		"base64":          {`{"bytes":"%"}`, "", "cannot be read"},
		"bytes array":     {`{"bytes":[1]}`, "bytes", "base64"},
		"bytes number":    {`{"bytes":1}`, "bytes", "base64"},
		"own":             {`{"own":["x",1]}`, "1", "a string"},
		"deep":            {`{"any":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, "", "deeper than 64"},
		"bomb":            {strings.Repeat("[", 1<<20), "", "not valid JSON"},
		"long key":        {`{"` + strings.Repeat("é", 1000) + `":1}`, strings.Repeat("é", 40) + "…", "not a field"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Strict([]byte(c.body), &sample{})
			e := core.AsError(err)
			if err == nil || e.Code != core.CodeInvalidRequest {
				t.Fatalf("got %v", err)
			}
			if e.Param != c.param || !strings.Contains(e.Message, c.says) {
				t.Errorf("param %q, message %q", e.Param, e.Message)
			}
		})
	}
}

func TestStrictAllowsDepth(t *testing.T) {
	if err := Strict([]byte(`{"any":`+strings.Repeat("[", 63)+strings.Repeat("]", 63)+`}`), &sample{}); err != nil {
		t.Error(err)
	}
}

func TestStrictLargeArray(t *testing.T) {
	body := `{"messages":[{"name":"x"}` + strings.Repeat(`,{"name":"x"}`, 99_999) + `]}`
	var got sample
	if err := Strict([]byte(body), &got); err != nil || len(got.Messages) != 100_000 {
		t.Fatal(err, len(got.Messages))
	}
	// The scanner's own work must stay linear: allocations per element, not time, so that a busy machine cannot fail it.
	allocs := func(n int) float64 {
		data := []byte("[0" + strings.Repeat(",0", n-1) + "]")
		return testing.AllocsPerRun(3, func() {
			var v []int
			if err := Strict(data, &v); err != nil {
				t.Fatal(err)
			}
		})
	}
	if small, large := allocs(1000), allocs(10_000); large > 20*small {
		t.Errorf("%v allocations for 1,000 elements, %v for 10,000", small, large)
	}
}

func request(t *testing.T, body string) *http.Request {
	t.Helper()
	return httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
}

func TestDecodeJSON(t *testing.T) {
	var got sample
	r := request(t, `{"model":"x"}`)
	r.Header.Set("Content-Type", "text/plain")
	if err := DecodeJSON(r, 100, &got); err != nil || got.Model != "x" {
		t.Error(got, err)
	}
	err := DecodeJSON(request(t, `{"model":"`+strings.Repeat("x", 100)+`"}`), 100, &got)
	if core.CodeOf(err) != core.CodeTooLarge || !strings.Contains(err.Error(), "100 bytes") {
		t.Error(err)
	}
	broken := request(t, "")
	broken.Body = http.NoBody
	if err := DecodeJSON(broken, 100, &got); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Error(err)
	}
	if err := DecodeJSON(request(t, " null\n"), 100, &got); core.CodeOf(err) != core.CodeInvalidRequest || !strings.Contains(err.Error(), "null") {
		t.Error(err)
	}
	for _, c := range []struct {
		err  error
		want core.Code
	}{
		{iotest.ErrTimeout, core.CodeInvalidRequest},
		{timeoutError{}, core.CodeDeadline},
		{&http.MaxBytesError{Limit: 7}, core.CodeTooLarge},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", iotest.ErrReader(c.err))
		if err := DecodeJSON(r, 100, &got); core.CodeOf(err) != c.want {
			t.Errorf("%v becomes %v", c.err, err)
		}
	}
}

// FuzzStrict holds the scanner against encoding/json: what Strict takes, json takes with the same result, and nothing
// makes it panic.
func FuzzStrict(f *testing.F) {
	for _, s := range []string{
		`{"model":"x","messages":[{"name":"a","n":1}]}`, `{"any":[{"a":{}},1e5,null,"\\\""]}`, `[`, `{"own":["x"]}`,
		`{"bias":{"1":2}}`, "{\"model\":\"\\ud800\"}", ` { "deep" : { "" : [ ] } } `, `{"bytes":"AA=="}`, `"x"`, `1`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, want sample
		err := Strict(data, &got)
		if err != nil {
			if core.CodeOf(err) != core.CodeInvalidRequest {
				t.Fatalf("%v", err)
			}
			return
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&want); err != nil { //nolint:musttag // a field without a tag is one of the cases
			t.Fatalf("Strict took what json refuses: %v", err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatal(cmp.Diff(got.Model, want.Model))
		}
	})
}

// TestLengthAlone: what a caller says that it will send takes little more memory than what came.
func TestLengthAlone(t *testing.T) {
	const most = 64 << 20
	begun := strings.Repeat("{", 1<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 8 {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(begun))
		r.ContentLength = most
		if _, err := ReadBody(r, most); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Fatalf("a body that ends early: %v", err)
		}
	}
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > most {
		t.Errorf("%d bytes for eight bodies of one", after.TotalAlloc-before.TotalAlloc)
	}
	long := strings.Repeat("x", 3*firstPart+7)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(long))
	if b, err := ReadBody(r, most); err != nil || string(b) != long {
		t.Errorf("a long body: %d bytes, %v", len(b), err)
	}
}
