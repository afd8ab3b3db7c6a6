// Package param reads the request fields that several of OpenAI's endpoints share: what becomes of each field, tools, formats,
// labels and pages. It does not answer requests and knows no endpoint.
package param
