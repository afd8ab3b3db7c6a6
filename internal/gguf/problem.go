package gguf

import (
	"fmt"
	"strings"

	"ashatai/internal/core"
)

// remedy is the last sentence of a refusal: what the user can do about it.
type remedy string

const (
	downloadAgain remedy = "Download the file again and compare its checksum with the publisher's."
	convertAgain  remedy = "Convert the model again with current conversion tools, or get the file from another publisher."
	otherFile     remedy = "Choose a GGUF model file."
	distrust      remedy = "The file is damaged or was made to do harm; get it again from a publisher you trust."
)

// damaged refuses a file whose bytes are wrong at one place.
func damaged(off int64, r remedy, format string, args ...any) *core.Error {
	return core.Errorf(core.CodeBadModel, "The model file is broken at byte %d: %s. %s", off, fmt.Sprintf(format, args...), r)
}

// refused refuses a file whose structure can be read but whose content cannot be used.
func refused(r remedy, format string, args ...any) *core.Error {
	return core.Errorf(core.CodeBadModel, "The model file cannot be used: %s. %s", fmt.Sprintf(format, args...), r)
}

// quote shows text of the file in a sentence: quoted, and cut where it is long.
func quote(s string) string {
	const limit = 80
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
