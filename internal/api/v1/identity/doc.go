// Package identity is the rows of the server's own API for accounts: logging in and out, one's own keys and sessions, and
// for admins the accounts, groups and keys of others. It decides nothing about who may do what beyond whose an object is.
package identity
