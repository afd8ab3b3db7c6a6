package obs

import "log/slog"

// Fields are the only attributes that a line of the log may have: facts about the work, and none that holds what a user wrote or a
// secret. A new one is added here, where somebody asks whether it can. A test finds the ones in the code.
func Fields() []string {
	return []string{
		slog.TimeKey, slog.LevelKey, slog.MessageKey,
		"request_id", "route", "method", "dialect", "status", "code", "cause", "error", "message", "duration_ms", "took", "panic", "stack", // calls
		"tenant", "user", "key", "principal", "remote", "action", "object", "object_kind", "class", "accounts", // who does what
		"model", "runtime", "device", "instance", "replica", "digest", "memory_bytes", "pid", "waiting", "fault", // models
		"job", "type", "count", "seq", "pieces", "bytes", "lost", "changed", "at", "from", "to", "part", // work
		"reason", "notice", "detail", "what", "setting", "section", "feature", "policy", "line", "fields", "others", "signature", "signed", "hash",
		"addr", "url", "home", "dir", "path", "file", "source", "drain", "grace", "failed",
	}
}

// allowed drops an attribute that is not in the list.
func allowed() func([]string, slog.Attr) slog.Attr {
	known := map[string]bool{}
	for _, f := range Fields() {
		known[f] = true
	}
	return func(_ []string, a slog.Attr) slog.Attr {
		if !known[a.Key] {
			return slog.Attr{}
		}
		return a
	}
}
