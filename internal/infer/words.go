package infer

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"

	"ashatai/internal/chat/reply/lark"
	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// inWords names the field at fault as the caller does: engines know neither dialects nor where the grammar came from that they
// hold an answer to.
func inWords(req *core.Request, err error) error {
	if err == nil {
		return nil
	}
	e := core.AsError(err)
	name, text := e.Param, e.Message
	rule, inRule := strings.CutPrefix(e.Param, engine.RuleParam)
	switch {
	case name == "messages" || name == "prompt":
		name = cmp.Or(req.Fields.Prompt, name)
	case inRule && req.Format.Kind != core.FormatLark: // the grammar was written here
		var whose string
		whose, name = ruled(req, rule)
		text = strings.Replace(text, "the rule "+rule, whose, 1)
	case inRule || name == "format":
		if name = cmp.Or(req.Fields.Format, "format"); req.Format.Kind == "" {
			name = "tools"
		}
	}
	if name == e.Param && text == e.Message {
		return err
	}
	named := *e
	named.Param, named.Message = name, text
	return &named
}

// ruled is where the JSON schema of a rule came from, in a grammar that holds an answer to a request: in words, and as a field.
func ruled(req *core.Request, rule string) (whose, field string) {
	tools, _ := demanded(req)
	if at := lark.ToolOf(rule); at >= 0 && at < len(tools) {
		name := tools[at].Name
		i := slices.IndexFunc(req.Tools, func(t core.Tool) bool { return t.Name == name })
		return "the tool " + name, "tools." + strconv.Itoa(i) + ".parameters"
	}
	return "the answer's format", cmp.Or(req.Fields.Format, "format")
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
