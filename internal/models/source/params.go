package source

import (
	"encoding/json"
	"slices"
	"strings"

	"ashatai/internal/core"
)

const maxWindow = 1 << 24 // tokens; a model's own limit is far below

// parameters takes over a registry's parameters. One that has no meaning here, or an impossible value, becomes a note.
func (f *Found) parameters(data []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return core.Wrap(core.CodeBadModel, err, "The registry's parameters of the model are not valid.")
	}
	keys := make([]string, 0, len(all))
	for k := range all {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var unused []string
	for _, k := range keys {
		if !f.parameter(k, all[k]) {
			unused = append(unused, shown(k))
		}
	}
	if len(unused) > 0 {
		f.Notes = append(f.Notes, "These parameters are not used: "+strings.Join(unused[:min(len(unused), maxListed)], ", ")+".")
	}
	return nil
}

// parameter takes over one parameter, and reports whether it means something here.
func (f *Found) parameter(key string, value json.RawMessage) bool {
	s := f.Defaults
	var err error
	switch key {
	case "stop":
		return f.stops(value)
	case "num_ctx":
		n := 0
		if json.Unmarshal(value, &n) != nil || n < 1 || n > maxWindow {
			return false
		}
		f.Window = n
		return true
	case "temperature":
		err = json.Unmarshal(value, &s.Temperature)
	case "top_k":
		if err = json.Unmarshal(value, &s.TopK); err == nil && s.TopK != nil {
			*s.TopK = max(*s.TopK, 0)
		}
	case "top_p":
		err = json.Unmarshal(value, &s.TopP)
	case "min_p":
		err = json.Unmarshal(value, &s.MinP)
	case "typical_p":
		err = json.Unmarshal(value, &s.TypicalP)
	case "repeat_penalty":
		err = json.Unmarshal(value, &s.RepeatPenalty)
	case "repeat_last_n":
		err = json.Unmarshal(value, &s.RepeatLastN)
	case "presence_penalty":
		err = json.Unmarshal(value, &s.PresencePenalty)
	case "frequency_penalty":
		err = json.Unmarshal(value, &s.FrequencyPenalty)
	case "seed":
		if err = json.Unmarshal(value, &s.Seed); err == nil && s.Seed != nil && *s.Seed < 0 {
			s.Seed = nil
		}
	default:
		return false
	}
	if err != nil || s.Validate() != nil {
		return false
	}
	f.Defaults = s
	return true
}

// stops takes a list of strings, or one.
func (f *Found) stops(value json.RawMessage) bool {
	var list []string
	if json.Unmarshal(value, &list) != nil {
		var one string
		if json.Unmarshal(value, &one) != nil {
			return false
		}
		list = []string{one}
	}
	if (&core.Request{Stop: list}).Validate() != nil {
		return false
	}
	f.Stop = list
	return true
}
