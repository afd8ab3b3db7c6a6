package rawjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// redo builds a value by walking over it, so that it can be compared with encoding/json's.
func redo(b []byte) (any, error) {
	b = []byte(strings.Trim(string(b), " \n\r\t"))
	switch {
	case len(b) == 0:
		return nil, errors.New("nothing")
	case b[0] == '{':
		m := map[string]any{}
		return m, Object(b, func(key string, value []byte) error {
			v, err := redo(value)
			m[key] = v
			return err
		})
	case b[0] == '[':
		list := []any{}
		err := Array(b, func(value []byte) error {
			v, err := redo(value)
			list = append(list, v)
			return err
		})
		return list, err
	case b[0] == '"':
		return String(b)
	}
	var v any
	err := json.Unmarshal(b, &v)
	return v, err
}

func samples() []string {
	return []string{
		`{}`, `[]`, `[1, 2.5, -3e4, true, false, null]`, ` { "a" : [ { "b" : "c\n\u00e9\ud83d\ude00" } ] , "d":"}]\"" } `,
		`{"a":1,"a":2}`, `"x"`, `[["a","b"],["\\","\""]]`, "[\"\\u0000\\ud800\"]", `{"":{"":[]}}`,
		`[`, `{`, `{"a"}`, `{"a":}`, `[1,]`, `[1 2]`, `{"a":1,}`, `{a:1}`, `[1]x`, `{"a":1}{}`, "[\"\n\"]", `["\x"]`, `["a]`, `[tru]`, `[[1}]`, `[01]`, "[\"\xff\"]",
		strings.Repeat("[", MaxDepth+2) + strings.Repeat("]", MaxDepth+2),
	}
}

func agree(t *testing.T, s string) {
	t.Helper()
	got, err := redo([]byte(s))
	var want any
	wantErr := json.Unmarshal([]byte(s), &want)
	if strings.Count(s, "[")+strings.Count(s, "{") > MaxDepth {
		return
	}
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%q: %v, encoding/json says %v", s, err, wantErr)
	}
	if err == nil && fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q is %v, want %v", s, got, want)
	}
}

func TestSameAsEncodingJSON(t *testing.T) {
	for _, s := range samples() {
		agree(t, s)
	}
	deep := samples()[len(samples())-1]
	if _, err := redo([]byte(deep)); err == nil || !strings.Contains(err.Error(), "deeply") {
		t.Errorf("%d levels: %v", MaxDepth+2, err)
	}
}

func TestNumbers(t *testing.T) {
	if n, err := Int([]byte("2147483647")); err != nil || n != 1<<31-1 {
		t.Errorf("%d, %v", n, err)
	}
	for _, s := range []string{"", "-1", "2147483648", "1.5", "1e3", `"1"`} {
		if n, err := Int([]byte(s)); err == nil {
			t.Errorf("%q is %d", s, n)
		}
	}
	if f, err := Float([]byte("-1.25e2")); err != nil || f != -125 {
		t.Errorf("%v, %v", f, err)
	}
	for _, s := range []string{"", "NaN", "0x10", "1_0", "Inf"} {
		if f, err := Float([]byte(s)); err == nil {
			t.Errorf("%q is %v", s, f)
		}
	}
	if !Null(nil) || !Null([]byte("null")) || Null([]byte("0")) {
		t.Error("what is absent")
	}
}

func TestVisitorEndsTheWalk(t *testing.T) {
	stop := errors.New("enough")
	n := 0
	if err := Array([]byte("[1,2,3]"), func([]byte) error { n++; return stop }); err != stop || n != 1 { //nolint:errorlint // the same error comes out
		t.Errorf("%v after %d", err, n)
	}
}

func FuzzSameAsEncodingJSON(f *testing.F) {
	for _, s := range samples() {
		f.Add(s)
	}
	f.Fuzz(agree)
}
