package rpc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"ashatai/internal/api/gate"
	"ashatai/internal/api/oip"
	"ashatai/internal/api/oip/inference"
	"ashatai/internal/core"
)

// answerOf is the answer to a typed request.
func answerOf(t core.Tensor) (*inference.ModelInferResponse, error) {
	req := &inference.ModelInferRequest{Inputs: []*inference.ModelInferRequest_InferInputTensor{input("a", "FP32", nil, 0)}}
	return answer(req, &oip.Answer{Outputs: []core.Tensor{t}})
}

func frame(flag byte, size int, msg []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flag}, uint32(size)), msg...)
}

// post sends bytes to a call over HTTP/2 and returns the status of HTTP, that of gRPC, and its message.
func post(t *testing.T, w *world, path string, body io.Reader, head ...string) (code int, grpc, message string) {
	t.Helper()
	tr := &http.Transport{Protocols: &http.Protocols{}}
	tr.Protocols.SetUnencryptedHTTP2(true)
	defer tr.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.conn.Target()+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Authorization", "Bearer ann")
	for i := 0; i+1 < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	a, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	if message = a.Trailer.Get("Grpc-Message"); message == "" {
		message = string(b)
	}
	return a.StatusCode, a.Trailer.Get("Grpc-Status"), message
}

func TestGarbage(t *testing.T) {
	w := newWorld(t, gate.LimitOptions{})
	good, err := proto.Marshal(raw("echo"))
	if err != nil {
		t.Fatal(err)
	}
	many := func(number protowire.Number, n int) []byte {
		return bytes.Repeat(protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), nil), n)
	}
	nested := protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), []byte{0x98, 0x06, 1}) // an input with a field 99
	asParameter := protowire.AppendBytes(protowire.AppendTag(nil, 4, protowire.BytesType), []byte{0x0a, 1, 'k', 0x12, 3, 0x98, 0x06, 1})
	contents := protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), []byte{0x2a, 3, 0x98, 0x06, 1})
	const invalid, exhausted = "3", "8"
	for name, c := range map[string]struct {
		body       []byte
		code, word string
	}{
		"nothing":              {nil, invalid, "ended before its message"},
		"half a head":          {[]byte{0, 0}, invalid, "ended before it was complete"},
		"half a message":       {frame(0, 9, []byte("half")), invalid, "ended before it was complete"},
		"no bytes of it":       {frame(0, 9, nil), invalid, "ended before it was complete"},
		"another flag":         {frame(2, 0, nil), invalid, "begins with the byte 2"},
		"packed without words": {frame(1, 4, []byte("abcd")), invalid, "names no compression"},
		"4 GiB":                {frame(0, 1<<32-1, nil), exhausted, "larger than the limit"},
		"two messages":         {append(frame(0, len(good), good), frame(0, len(good), good)...), invalid, "second message"},
		"no message":           {frame(0, 4, []byte("\xff\xff\xff\xff")), invalid, "is no ModelInferRequest"},
		"no text":              {frame(0, 3, []byte("\x0a\x01\xff")), invalid, "is no ModelInferRequest"},
		"an unknown field":     {frame(0, 3, []byte{0x98, 0x06, 1}), invalid, "has the field 99"},
		"one within":           {frame(0, len(nested), nested), invalid, "has the field 99"},
		"one in a parameter":   {frame(0, len(asParameter), asParameter), invalid, "has the field 99"},
		"one in contents":      {frame(0, len(contents), contents), invalid, "has the field 99"},
		"a million inputs":     {frame(0, 2<<20, many(5, 1<<20)), invalid, "at most 1024"},
		"a million raw":        {frame(0, 2<<20, many(7, 1<<20)), invalid, "at most 1024"},
		"nine MiB of names":    {frame(0, 9<<20, many(1, 9<<19)), exhausted, "beside its raw contents"},
	} {
		if got, code, message := post(t, w, inference.GRPCInferenceService_ModelInfer_FullMethodName, bytes.NewReader(c.body)); got != http.StatusOK || code != c.code || !strings.Contains(message, c.word) {
			t.Errorf("%s: %d, %q, %q", name, got, code, message)
		}
	}
	must(w.ModelInfer(with(t, "ann"), raw("echo")))(t)
}

func TestHeads(t *testing.T) {
	w := newWorld(t, gate.LimitOptions{})
	const live, data = inference.GRPCInferenceService_ServerMetadata_FullMethodName, "Grpc-Timeout"
	for name, c := range map[string]struct {
		path       string
		head       []string
		status     int
		code, word string
	}{
		"well":                 {live, []string{data, "10S"}, 200, "0", "ashatai"},
		"years":                {live, []string{data, "99999999H"}, 200, "0", "ashatai"},
		"no time":              {live, []string{data, "S"}, 200, "3", "grpc-timeout"},
		"no unit":              {live, []string{data, "12"}, 200, "3", "grpc-timeout"},
		"no number":            {live, []string{data, "-1S"}, 200, "3", "grpc-timeout"},
		"too many digits":      {live, []string{data, "123456789S"}, 200, "3", "grpc-timeout"},
		"another compression":  {live, []string{"Grpc-Encoding", "br"}, 200, "12", "compressed"},
		"a plain message":      {live, []string{"Grpc-Encoding", "deflate"}, 200, "0", "ashatai"},
		"JSON":                 {live, []string{"Content-Type", "application/json"}, 400, "", "call of gRPC"},
		"JSON within":          {live, []string{"Content-Type", "application/grpc+json"}, 400, "", "call of gRPC"},
		"no such call":         {"/inference.GRPCInferenceService/Fly", nil, 200, "12", "There is nothing at"},
		"no such call in JSON": {"/inference.GRPCInferenceService/Fly", []string{"Content-Type", "text/plain"}, 404, "", "There is nothing at"},
		"wrong credentials":    {live, []string{"Authorization", ""}, 200, "16", "credentials"},
		"a page of others":     {live, []string{"Sec-Fetch-Site", "cross-site"}, 200, "7", "another site"},
	} {
		got, code, message := post(t, w, c.path, bytes.NewReader(frame(0, 0, nil)), c.head...)
		if got != c.status || code != c.code || !strings.Contains(message, c.word) {
			t.Errorf("%s: %d, %q, %q", name, got, code, message)
		}
	}
	packed := frame(1, 4, []byte("abcd"))
	if _, code, message := post(t, w, live, bytes.NewReader(packed), "Grpc-Encoding", "gzip"); code != "3" || !strings.Contains(message, "cannot be unpacked") {
		t.Errorf("%q, %q", code, message)
	}
}

// TestManyPairs: more metadata than a server keeps is refused, and the next call is answered.
func TestManyPairs(t *testing.T) {
	w := newWorld(t, gate.LimitOptions{})
	var pairs []string
	for i := range 100_000 {
		pairs = append(pairs, fmt.Sprintf("k%d", i), "v")
	}
	_, err := w.ServerMetadata(metadata.NewOutgoingContext(t.Context(), metadata.Pairs(pairs...)), &inference.ServerMetadataRequest{})
	if status.Code(err) == codes.OK {
		t.Error("100,000 pairs were taken")
	}
	must(w.ServerMetadata(with(t, "ann"), &inference.ServerMetadataRequest{}))(t)
}

func FuzzMessage(f *testing.F) {
	good, err := proto.Marshal(raw("echo"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frame(0, len(good), good), "")
	f.Add(frame(1, 4, []byte("abcd")), "gzip")
	f.Add(frame(1, 2, []byte{0x78, 0x9c}), "deflate")
	f.Fuzz(func(t *testing.T, b []byte, encoding string) {
		unpack, ok := unpacker(encoding)
		if !ok {
			return
		}
		const limit = 1 << 20
		msg, err := readFrame(bytes.NewReader(b), limit, unpack)
		if err != nil {
			return
		}
		if len(msg) > limit {
			t.Fatalf("a message of %d bytes", len(msg))
		}
		var req inference.ModelInferRequest
		if decode(msg, &req) != nil {
			return
		}
		if wish, err := wish(&req); err == nil && len(wish.Inputs) != len(req.GetInputs()) {
			t.Fatal("inputs were lost")
		}
	})
}
