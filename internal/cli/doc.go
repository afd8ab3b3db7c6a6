// Package cli is the command line: it turns arguments into calls of a server's HTTP API, and answers into text, tables,
// JSON and an exit code. It runs no model and holds no data; serving and looking at the machine are handed to it as
// functions.
package cli
