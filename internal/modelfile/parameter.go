package modelfile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"ashatai/internal/core"
)

// idle are parameters that have no effect here, with where what they ask for is set.
func idle(name string) string {
	switch name {
	case "num_thread":
		return "models.NAME.threads in the server's settings sets it"
	case "num_batch":
		return "engine.batch in the server's settings sets it"
	case "num_gpu", "main_gpu", "use_mmap", "use_mlock", "low_vram", "f16_kv", "numa":
		return "how a model's file is loaded is for the server's settings"
	case "num_keep":
		return "it is for a context that is shifted, and none is here"
	case "mirostat_tau", "mirostat_eta":
		return "it is only for mirostat"
	case "draft_num_predict":
		return "it changes speed, not text"
	}
	return ""
}

// harmless are values of parameters that are not supported which ask for nothing.
func harmless(name, value string) bool {
	switch name {
	case "mirostat":
		return value == "0"
	case "tfs_z":
		return value == "1" || value == "1.0"
	case "penalize_newline":
		return value == "true"
	case "num_predict":
		return slices.Contains([]string{"0", "-1", "-2"}, value)
	}
	return false
}

// parameter takes one PARAMETER. All but stop stand once.
func (r *reader) parameter(in instruction, name, value string) error {
	if name == "" || value == "" {
		return wrong(in.line, "PARAMETER is written with a name and a value, as PARAMETER temperature 0.7.")
	}
	if name != "stop" {
		if err := r.once(in, "PARAMETER "+name); err != nil {
			return err
		}
	}
	if why := idle(name); why != "" {
		r.file.Notes = append(r.file.Notes, fmt.Sprintf("Line %d: the parameter %s has no effect: %s.", in.line, name, why))
		return nil
	}
	if harmless(name, value) {
		return nil
	}
	if name == "num_predict" {
		return wrong(in.line, "num_predict is %.40q; a model has no limit of its own for answers. Remove the line, and send num_predict with each request.", value)
	}
	err := r.file.set(name, value)
	switch {
	case errors.Is(err, errUnknown):
		return wrong(in.line, "there is no parameter %.40q; there are temperature, top_k, top_p, min_p, typical_p, repeat_penalty, repeat_last_n, presence_penalty, frequency_penalty, seed, stop and num_ctx.", name)
	case errors.Is(err, errValue):
		return wrong(in.line, "the value %.40q of %s is not a number of its kind.", value, name)
	case err != nil:
		return wrong(in.line, "%s", core.AsError(err).Message)
	}
	return nil
}

var (
	errUnknown = errors.New("unknown parameter")
	errValue   = errors.New("not a number")
)

// set gives a parameter its value and checks it.
func (f *File) set(name, value string) error {
	d := &f.Defaults
	for _, p := range []struct {
		name string
		to   **float64
	}{
		{"temperature", &d.Temperature},
		{"top_p", &d.TopP},
		{"min_p", &d.MinP},
		{"typical_p", &d.TypicalP},
		{"repeat_penalty", &d.RepeatPenalty},
		{"presence_penalty", &d.PresencePenalty},
		{"frequency_penalty", &d.FrequencyPenalty},
	} {
		if p.name == name {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return errValue
			}
			*p.to = &v
			return d.Validate()
		}
	}
	if name == "stop" {
		f.Stop = append(f.Stop, value)
		return (&core.Request{Stop: f.Stop}).Validate()
	}
	return f.setWhole(name, value)
}

func (f *File) setWhole(name, value string) error {
	known := slices.Contains([]string{"top_k", "repeat_last_n", "seed", "num_ctx"}, name)
	n, err := strconv.ParseInt(value, 10, 64)
	switch {
	case !known:
		return errUnknown
	case err != nil:
		return errValue
	}
	d := &f.Defaults
	whole := func() *int { v := int(max(min(n, 1<<40), -1<<40)); return &v }
	switch name {
	case "top_k":
		if n < 0 {
			n = 0 // Ollama's word for off
		}
		d.TopK = whole()
	case "repeat_last_n":
		d.RepeatLastN = whole()
	case "seed":
		if n != -1 { // a new one each time
			d.Seed = &n
		}
	case "num_ctx":
		if n < 1 || n > maxWindow {
			return core.Invalid(name, "num_ctx is %d; it must be between 1 and %d.", n, maxWindow)
		}
		f.Window = int(n)
	}
	return d.Validate()
}
