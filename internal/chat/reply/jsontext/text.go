package jsontext

import (
	"bytes"
	"encoding/json"
)

// Quoted is s as a JSON string, with nothing escaped that need not be.
func Quoted(s string) string { return `"` + string(Inner([]byte(s))) + `"` }

// Inner is a text as it stands between the quotes of a JSON string.
func Inner(s []byte) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(string(s)) //nolint:errchkjson // a string always encodes, into memory
	return b.Bytes()[1 : b.Len()-2]
}
