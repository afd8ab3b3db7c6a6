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

// grammar is the constraint as a grammar in Lark.
func grammar(what engine.Constraint) (string, error) {
	if len(what.Source) > core.MaxSchemaBytes {
		return "", core.Invalid(param, "The source of the format has %d bytes; at most %d are allowed.", len(what.Source), core.MaxSchemaBytes)
	}
	switch what.Kind {
	case core.FormatJSON:
		return fromSchema(`{"type":"object"}`)
	case core.FormatSchema:
		return fromSchema(what.Source)
	case core.FormatRegex:
		re, bad := schema.FullMatch(what.Source)
		if bad != nil {
			return "", core.Invalid(param, "The regular expression cannot be enforced: %s.", bad.Reason)
		}
		return "start: /" + strings.ReplaceAll(re, "/", `\/`) + "/\n", nil
	case core.FormatLark:
		text, bad := fromLark(what.Source)
		if bad != nil {
			return "", bad
		}
		return text, nil
	case core.FormatGBNF:
	}
	return "", core.Errorf(core.CodeUnsupported, "Formats of the kind %q are not enforced here.", what.Kind)
}

func fromSchema(source string) (string, error) {
	g, bad := schema.Compile([]byte(source), "r")
	if bad != nil {
		return "", schemaError("", bad)
	}
	return "start: " + g.Start + "\n" + g.Text, nil
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

// larkError is for a grammar in Lark that cannot be enforced; bad is a clause.
func larkError(bad string) *core.Error {
	return core.Invalid(param, "The grammar cannot be enforced: %s.", bad)
}

// grammarError is for a grammar that the library refuses.
func grammarError(kind core.FormatKind, err error) *core.Error {
	e := core.Wrap(core.CodeInvalidRequest, err, "The format of kind %s cannot be enforced: %s.", kind, reason(err))
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
