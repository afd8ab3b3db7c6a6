package rpc

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"ashatai/internal/api/oip/inference"
)

// field is a field of bytes.
func field(number protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), b)
}

// parameters are n entries of a map of parameters, which is the field of that number.
func parameters(number protowire.Number, n int) []byte {
	var out []byte
	for i := range n {
		out = append(out, field(number, append(field(1, fmt.Appendf(nil, "%x", i)), field(2, []byte{0x10, 1})...))...)
	}
	return out
}

// TestWhatAMessageCosts: a message takes a bounded multiple of its bytes in memory, whatever it is made of; what would take more is
// refused before it is read.
func TestWhatAMessageCosts(t *testing.T) {
	const room = maxPlain - 1024
	input := func(b []byte) []byte { return field(5, b) }
	for name, c := range map[string]struct {
		msg  []byte
		word string // empty: it is read
	}{
		"parameters":            {parameters(4, maxParameters+1), "parameters"},
		"parameters of inputs":  {input(parameters(4, room/16)), "parameters"},
		"parameters of outputs": {field(6, parameters(2, room/16)), "parameters"},
		"empty texts":           {input(field(5, bytes.Repeat([]byte{0x42, 0}, room/2))), "texts"},
		"numbers one by one":    {input(field(5, bytes.Repeat([]byte{0x18, 1}, room/2))), "not packed"},
		"a shape one by one":    {input(bytes.Repeat([]byte{0x18, 1}, room/2)), "not packed"},
		"contents in pieces":    {input(bytes.Repeat([]byte{0x2a, 2, 0x42, 0}, room/4)), "texts"},
		"too much":              {input(field(1, make([]byte, maxPlain))), "beside its raw contents"},
		"as many parameters":    {parameters(4, maxParameters), ""},
		"as many texts":         {input(field(5, bytes.Repeat([]byte{0x42, 1, 'x'}, maxPieces-1))), ""},
		"a long shape":          {input(field(3, bytes.Repeat([]byte{1}, room))), ""},
		"whole numbers":         {input(field(5, field(3, bytes.Repeat([]byte{1}, room)))), ""},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := decode(c.msg, &inference.ModelInferRequest{})
		runtime.ReadMemStats(&after)
		took := (after.TotalAlloc - before.TotalAlloc) >> 20
		t.Logf("%s: %d bytes of a message, %d MiB", name, len(c.msg), took)
		if (err == nil) != (c.word == "") || err != nil && !strings.Contains(err.Error(), c.word) || err != nil && took > 1 || took > 80 {
			t.Errorf("%s: %d MiB, %v", name, took, err)
		}
	}
}
