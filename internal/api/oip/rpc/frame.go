package rpc

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// A frame is a byte that says whether the message is compressed, the length of the message in four, and the message
// (gRPC over HTTP/2, "Length-Prefixed-Message").
const headSize = 5

// unpackers read the compressions that are accepted, by their names in the header grpc-encoding.
func unpacker(encoding string) (func(io.Reader) (io.ReadCloser, error), bool) {
	switch encoding {
	case "", "identity":
		return nil, true
	case "gzip":
		return func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }, true
	case "deflate":
		return zlib.NewReader, true
	}
	return nil, false
}

// accepted is what unpacker knows, for the header grpc-accept-encoding.
const accepted = "identity,deflate,gzip"

// readFrame reads a message of at most limit bytes, also when it is unpacked. The error is io.EOF where the stream ended before
// it, and otherwise what broke the stream or a core.Error.
func readFrame(r io.Reader, limit int64, unpack func(io.Reader) (io.ReadCloser, error)) ([]byte, error) {
	var head [headSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := int64(binary.BigEndian.Uint32(head[1:]))
	switch {
	case head[0] > 1:
		return nil, core.Errorf(core.CodeInvalidRequest, "A message begins with the byte %d, where gRPC has 0 or 1.", head[0])
	case head[0] == 1 && unpack == nil:
		return nil, core.Errorf(core.CodeInvalidRequest, "A message is compressed, and the call names no compression in grpc-encoding.")
	case size > limit:
		return nil, tooLarge(limit)
	}
	msg, err := api.ReadSized(r, int(size))
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil || head[0] == 0 {
		return msg, err
	}
	return unpacked(msg, limit, unpack)
}

func unpacked(msg []byte, limit int64, unpack func(io.Reader) (io.ReadCloser, error)) ([]byte, error) {
	r, err := unpack(bytes.NewReader(msg))
	if err == nil {
		defer r.Close() //nolint:errcheck // in memory
		msg, err = io.ReadAll(io.LimitReader(r, limit+1))
	}
	if err != nil {
		return nil, core.Wrap(core.CodeInvalidRequest, err, "A compressed message cannot be unpacked: %v.", err)
	}
	if int64(len(msg)) > limit {
		return nil, tooLarge(limit)
	}
	return msg, nil
}

func tooLarge(limit int64) *core.Error {
	return core.Errorf(core.CodeTooLarge, "The message is larger than the limit of %d bytes.", limit)
}

// frameHead begins a frame of a message.
func frameHead(size int) []byte {
	return binary.BigEndian.AppendUint32([]byte{0}, uint32(size)) //nolint:gosec // far below 4 GiB
}
