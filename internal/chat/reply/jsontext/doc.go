// Package jsontext is JSON as text that comes piece by piece: a scanner of one value, byte by byte, and strings as they stand
// in it. It builds no values.
package jsontext
