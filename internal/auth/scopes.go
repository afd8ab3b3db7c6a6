package auth

import (
	"strings"

	"ashatai/internal/core"
)

// known reads a list of scopes that is in the database. A name that this version does not know grants nothing.
func known(list string) core.Scope {
	var s core.Scope
	for name := range strings.SplitSeq(list, ",") {
		if one, err := core.ParseScopes(name); err == nil {
			s |= one
		}
	}
	return s
}
