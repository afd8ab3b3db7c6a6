package ollama

import "ashatai/internal/api"

// absent are the calls of Ollama's clients that are not served.
func absent() []api.Absent {
	const cloud = "It is a service of Ollama's own cloud."
	return []api.Absent{
		{Path: "/api/experimental", Note: cloud},
		{Path: "/api/me", Note: cloud},
		{Path: "/api/signout", Note: cloud},
		{Path: "/api/status", Note: cloud},
		{Path: "/api/web_fetch", Note: cloud},
		{Path: "/api/web_search", Note: cloud},
	}
}
