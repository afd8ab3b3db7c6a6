// Package rpc speaks the Open Inference Protocol over gRPC: each call is a row of the route table, so that it passes the same gate as
// over HTTP, at the same address. It carries gRPC's frames over HTTP/2 for the generated tables of calls, and the server's reflection
// and health; what is computed is package oip's. It accepts no call that is not in its rows, and starts no goroutine.
package rpc
