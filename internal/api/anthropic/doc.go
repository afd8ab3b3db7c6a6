// Package anthropic is the dialect that Anthropic's clients speak: it turns their JSON into core requests and core events
// into their JSON, whole or streamed. It refuses by name what the server does not do, and it drops nothing in silence:
// what becomes of each field stands in Fields. It does not schedule, render templates or look into models.
package anthropic
