// Package protobuftest writes messages of protobuf for tests.
package protobuftest

import "encoding/binary"

// Tag writes what a field begins with.
func Tag(b []byte, field, kind int) []byte {
	return binary.AppendUvarint(b, uint64(field)<<3|uint64(kind)) //nolint:gosec // small constants
}

// Number writes a field that is a number.
func Number(b []byte, field int, v int64) []byte {
	return binary.AppendUvarint(Tag(b, field, 0), uint64(v)) //nolint:gosec // the bits are meant
}

// Message writes a field that is a message, or bytes.
func Message(b []byte, field int, m []byte) []byte {
	return append(binary.AppendUvarint(Tag(b, field, 2), uint64(len(m))), m...)
}

// Text writes a field that is a text.
func Text(b []byte, field int, s string) []byte { return Message(b, field, []byte(s)) }

// Entry writes an entry of a map whose keys are texts and whose values are messages.
func Entry(b []byte, field int, key string, value []byte) []byte {
	return Message(b, field, Message(Text(nil, 1, key), 2, value))
}
