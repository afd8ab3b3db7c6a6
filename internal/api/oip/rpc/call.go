package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"ashatai/internal/api"
	"ashatai/internal/api/oip"
	"ashatai/internal/core"
)

// call is one call on its way. It is the grpc.ServerStream of a generated handler.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	ctx    context.Context //nolint:containedctx // grpc.ServerStream asks for it
	limit  int64           // bytes of a message
	unpack func(io.Reader) (io.ReadCloser, error)
	begun  bool // the answer has
}

var _ grpc.ServerStream = (*call)(nil)

// open begins a call: what it says of itself in headers is checked.
func open(w http.ResponseWriter, r *http.Request, limit int64) (*call, context.CancelFunc, error) {
	if !spoken(r) {
		return nil, nil, core.Errorf(core.CodeInvalidRequest, "This is a call of gRPC: send it over HTTP/2 with the content type application/grpc.")
	}
	encoding := r.Header.Get("Grpc-Encoding")
	unpack, ok := unpacker(encoding)
	if !ok {
		w.Header().Set("Grpc-Accept-Encoding", accepted)
		return nil, nil, core.Errorf(core.CodeMethod, "Messages are compressed by %.40q, which is not known; known are %s.", encoding, accepted)
	}
	c := &call{w: w, r: r, ctx: r.Context(), limit: limit, unpack: unpack}
	cancel := func() {}
	if text := r.Header.Get("Grpc-Timeout"); text != "" {
		d, ok := timeout(text)
		if !ok {
			return nil, nil, core.Errorf(core.CodeInvalidRequest, "grpc-timeout is %.40q; it must be a number of at most 8 digits and a unit of H M S m u n.", text)
		}
		c.ctx, cancel = context.WithTimeout(c.ctx, d)
	}
	return c, cancel, nil
}

// spoken reports whether a request speaks gRPC with messages of protocol buffers, so that its answer may.
func spoken(r *http.Request) bool {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return r.ProtoMajor >= 2 && (kind == contentType || kind == contentType+"+proto")
}

const contentType = "application/grpc"

// timeout reads the header grpc-timeout.
func timeout(s string) (time.Duration, bool) {
	const digits = 8
	if len(s) < 2 || len(s) > digits+1 {
		return 0, false
	}
	unit, ok := map[byte]time.Duration{
		'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
	}[s[len(s)-1]]
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
	if !ok || err != nil {
		return 0, false
	}
	const longest = 24 * time.Hour // no call takes as long; of hours in eight digits a duration cannot tell
	return time.Duration(min(int64(n), int64(longest/unit))) * unit, true
}

// Context implements grpc.ServerStream.
func (c *call) Context() context.Context { return c.ctx }

// RecvMsg implements grpc.ServerStream: io.EOF says that the caller sent all.
func (c *call) RecvMsg(m any) error {
	b, err := readFrame(c.r.Body, c.limit, c.unpack)
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	if err != nil {
		return api.BodyError(c.r, err)
	}
	return decode(b, m.(proto.Message)) //nolint:forcetypeassert,errcheck // generated code gives no other
}

// only reads the one message of a call that takes one.
func (c *call) only(m any) error {
	err := c.RecvMsg(m)
	if errors.Is(err, io.EOF) {
		return core.Errorf(core.CodeInvalidRequest, "The call ended before its message.")
	}
	if err != nil {
		return err
	}
	// To its end, also so that the caller's leaving is noticed from here on.
	switch n, err := c.r.Body.Read(make([]byte, 1)); {
	case n > 0:
		return core.Errorf(core.CodeInvalidRequest, "The call has a second message; it takes one.")
	case err != nil && !errors.Is(err, io.EOF):
		return api.BodyError(c.r, err)
	}
	return nil
}

// SendMsg implements grpc.ServerStream.
func (c *call) SendMsg(m any) error {
	b, err := proto.Marshal(m.(proto.Message)) //nolint:forcetypeassert,errcheck // generated code gives no other
	if err != nil {
		return core.Wrap(core.CodeInternal, err, "The server failed to encode its answer.")
	}
	c.begin()
	if err := api.Send(c.w, frameHead(len(b)), b); err != nil {
		return err
	}
	return http.NewResponseController(c.w).Flush()
}

func (c *call) begin() {
	if !c.begun {
		c.begun = true
		start(c.w)
	}
}

// start begins an answer. Its length is not told: a trailer follows.
func start(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Grpc-Accept-Encoding", accepted)
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush() // a client that left is found by the next write
}

// SetHeader, SendHeader and SetTrailer implement grpc.ServerStream; nothing here has metadata of its own to tell.
func (c *call) SetHeader(metadata.MD) error { return nil }

// SendHeader implements grpc.ServerStream.
func (c *call) SendHeader(metadata.MD) error { return nil }

// SetTrailer implements grpc.ServerStream.
func (c *call) SetTrailer(metadata.MD) {}

// end ends an answer that has begun.
func end(w http.ResponseWriter, e *core.Error) {
	h := w.Header()
	if e == nil {
		h.Set(http.TrailerPrefix+"Grpc-Status", "0")
		return
	}
	h.Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(int(code(e.Code))))
	h.Set(http.TrailerPrefix+"Grpc-Message", escape(e.Message))
}

// escape writes a message for the header grpc-message: what is not printable ASCII as a percent sign and two digits.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= ' ' && c <= '~' && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// WriteError answers with e as gRPC does: with a status in the trailer. A request that is none of gRPC is answered as package oip does.
func WriteError(w http.ResponseWriter, r *http.Request, e *core.Error) {
	if !spoken(r) {
		oip.WriteError(w, r, e)
		return
	}
	start(w)
	end(w, e)
}
