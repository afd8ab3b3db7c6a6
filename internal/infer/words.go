package infer

import (
	"cmp"
	"iter"

	"ashatai/internal/core"
)

// inWords names the field at fault as the caller does: engines know neither dialects nor where the grammar came from that they
// hold an answer to.
func inWords(req *core.Request, err error) error {
	if err == nil {
		return nil
	}
	e := core.AsError(err)
	name := e.Param
	switch e.Param {
	case "messages", "prompt":
		name = cmp.Or(req.Fields.Prompt, name)
	case "format":
		if name = cmp.Or(req.Fields.Format, name); req.Format.Kind == "" {
			name = "tools"
		}
	}
	if name == e.Param {
		return err
	}
	named := *e
	named.Param = name
	return &named
}

// eventsInWords does the same for the errors of a stream.
func eventsInWords(req *core.Request, in iter.Seq2[core.Event, error]) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		for ev, err := range in {
			if !yield(ev, inWords(req, err)) {
				return
			}
		}
	}
}
