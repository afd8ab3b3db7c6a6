package guide

import (
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/guide/schema"
	"ashatai/internal/native/llg"
)

// param is the field of a request that a constraint comes from, whatever its caller calls it.
const param = "format"

var errClosed = core.Errorf(core.CodeUnavailable, "The model was unloaded while the request ran. Send it again.")

// limits bound what a grammar may cost: some tens of milliseconds to read it and for one mask, and 100 MB.
func limits() llg.Limits {
	return llg.Limits{InitialFuel: 500_000, LexerStates: 60_000, NoPrecompute: true}
}

// grammar is the constraint as a grammar in Lark. written is how the caller wrote that grammar; nil where the caller wrote none.
func grammar(what engine.Constraint) (text string, written *lark, err error) {
	if len(what.Source) > core.MaxSchemaBytes {
		return "", nil, core.Invalid(param, "The source of the format has %d bytes; at most %d are allowed.", len(what.Source), core.MaxSchemaBytes)
	}
	switch what.Kind {
	case core.FormatJSON:
		text, err = fromSchema(`{"type":"object"}`)
	case core.FormatSchema:
		text, err = fromSchema(what.Source)
	case core.FormatRegex:
		text, err = fromRegex(what.Source)
	case core.FormatLark:
		var bad *core.Error
		if written, bad = fromLark(what.Source); bad != nil {
			return "", nil, bad
		}
		text = written.text
	case core.FormatGBNF:
		err = core.Errorf(core.CodeUnsupported, "Formats of the kind %q are not enforced here.", what.Kind)
	}
	return text, written, err
}

func fromSchema(source string) (string, error) {
	g, bad := schema.Compile([]byte(source), "r")
	if bad != nil {
		return "", schemaError("", bad)
	}
	return "start: " + g.Start + "\n" + g.Text, nil
}

func fromRegex(source string) (string, error) {
	re, bad := schema.FullMatch(source)
	if bad == nil {
		return "start: /" + strings.ReplaceAll(re, "/", `\/`) + "/\n", nil
	}
	where := ""
	if offset := badRegex(source); offset >= 0 {
		where = " at " + at(source, offset)
	}
	return "", core.Invalid(param, "The regular expression cannot be enforced%s: %s.", where, bad.Reason)
}

// schemaError is for a schema that cannot be enforced: that of a rule of a grammar, or, without one, the request's own.
func schemaError(rule string, bad *schema.Problem) *core.Error {
	where, of, at := param, "", ""
	if rule != "" {
		rule = rule[:min(len(rule), 80)]
		where, of = engine.RuleParam+rule, " of the rule "+rule
	}
	if bad.Pointer != "" {
		at = " at " + bad.Pointer
	}
	return core.Invalid(where, "The JSON schema%s cannot be enforced%s: %s.", of, at, bad.Reason)
}

// badGrammar is for a grammar that cannot be enforced; why is a clause.
func badGrammar(why string) *core.Error {
	return core.Invalid(param, "The grammar cannot be enforced: %s.", why)
}

// grammarError is for a grammar that the library refuses.
func grammarError(kind core.FormatKind, written *lark, err error) *core.Error {
	why := reason(err)
	e := core.Wrap(core.CodeInvalidRequest, err, "The format of kind %s cannot be enforced: %s.", kind, why)
	if written != nil {
		e.Message = badGrammar(written.placed(why)).Message
	}
	e.Param = param
	return e
}

// followError is for a text that can no longer be followed.
func followError(err error) *core.Error {
	e := core.Wrap(core.CodeInvalidRequest, err, "The answer could not be kept inside its format: %s. Use a simpler schema, pattern or grammar.", reason(err))
	e.Param = param
	return e
}

// reason is the first line of what the library says, without the mark of the error.
func reason(err error) string {
	const most = 300
	s := strings.TrimPrefix(err.Error(), llg.ErrGrammar.Error()+": ")
	s, _, _ = strings.Cut(s, "\n")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	if strings.HasPrefix(s, "panic") {
		return "it is too large, or of a form that the library does not take"
	}
	return strings.TrimRight(strings.TrimSpace(s), ".:")
}
