// Package web serves the built-in chat page: a few hand-written files that are embedded in the binary and talk to the public
// API like any other client. It knows nothing of the server, keeps no state and needs nothing from another host.
package web
