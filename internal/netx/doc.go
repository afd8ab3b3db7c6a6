// Package netx is the one way out: an HTTP client that looks at the address it is about to dial, so that a request made
// on behalf of a user cannot reach this machine or its network.
//
// It refuses proxies from the environment, cookies, other schemes than http and https, redirects that leave a secure
// connection or carry a body elsewhere, and answers larger than the policy says. Only what the operator lists may be
// private.
package netx
