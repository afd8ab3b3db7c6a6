// Package web serves the built-in page: what web/ is built into, embedded in the binary, which talks to the public API like
// any other client. It knows nothing of the server, keeps no state and needs nothing from another host.
package web
