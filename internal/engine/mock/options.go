package mock

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// behaviour is the options, read.
type behaviour struct {
	loadDelay, prefillDelay, tokenDelay time.Duration
	failLoad, crash, reply              string
	hasReply, ignoreClose               bool
	loadAllocate, allocate              int64
	crashAfter, hangAfter               int // -1: never
	freezeAfter, garbageAfter           int
	delayAfter                          int // tokens before which tokenDelay does not count
}

// perRequest are the options that a prompt may set.
func perRequest() []string {
	return []string{"allocate", "prefill_delay", "token_delay", "delay_after", "reply", "crash_after", "crash", "hang_after", "freeze_after", "garbage_after"}
}

// maxDelay and maxAllocate bound options, which come from outside like everything else.
const (
	maxDelay    = 10 * time.Minute
	maxAllocate = 1 << 40
)

func (b *behaviour) set(key, value string) error {
	var err error
	switch key {
	case "load_delay":
		b.loadDelay, err = delay(value)
	case "prefill_delay":
		b.prefillDelay, err = delay(value)
	case "token_delay":
		b.tokenDelay, err = delay(value)
	case "delay_after":
		b.delayAfter, err = count(value)
	case "load_allocate":
		b.loadAllocate, err = amount(value)
	case "allocate":
		b.allocate, err = amount(value)
	case "crash_after":
		b.crashAfter, err = count(value)
	case "hang_after":
		b.hangAfter, err = count(value)
	case "freeze_after":
		b.freezeAfter, err = count(value)
	case "garbage_after":
		b.garbageAfter, err = count(value)
	case "reply":
		b.reply, b.hasReply = value, true
	case "fail_load":
		b.failLoad, err = oneOf(value, "bad_model", "out_of_memory", "unavailable", "crash")
	case "crash":
		b.crash, err = oneOf(value, "abort", "exit", "panic")
	case "ignore_close":
		b.ignoreClose, err = strconv.ParseBool(value)
	default:
		return core.Invalid("options."+key, "The mock runtime has no option %q.", key)
	}
	if err != nil {
		return core.Wrap(core.CodeInvalidRequest, err, "The mock option %s cannot be %q.", key, value)
	}
	return nil
}

func delay(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil && (d < 0 || d > maxDelay) {
		err = errors.New("out of range")
	}
	return d, err
}

func amount(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil && (n < 0 || n > maxAllocate) {
		err = errors.New("out of range")
	}
	return n, err
}

func count(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err == nil && n < 0 {
		err = errors.New("negative")
	}
	return n, err
}

func oneOf(s string, all ...string) (string, error) {
	if !slices.Contains(all, s) {
		return "", errors.New("it must be one of " + strings.Join(all, ", "))
	}
	return s, nil
}

func (b *behaviour) setAll(options map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(options)) {
		if err := b.set(key, options[key]); err != nil {
			return err
		}
	}
	return nil
}

const directive = "#mock "

// forPrompt is b with the directives of a prompt's text.
func (b *behaviour) forPrompt(p engine.Prompt) (behaviour, error) {
	out := *b
	for _, s := range p.Segments {
		for line := range strings.Lines(s.Text) {
			rest, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), directive)
			for ok && rest != "" {
				var key, value string
				key, rest, _ = strings.Cut(strings.TrimLeft(rest, " "), "=")
				if key == "reply" {
					value, rest = rest, ""
				} else {
					value, rest, _ = strings.Cut(rest, " ")
				}
				if !slices.Contains(perRequest(), key) {
					return out, core.Invalid("prompt", "The mock runtime has no option %q for a request.", key)
				}
				if err := out.set(key, value); err != nil {
					return out, err
				}
			}
		}
	}
	return out, nil
}

// file is a model file of the format "mock".
type file struct {
	Format     string            `json:"format"`
	Context    int               `json:"context"`
	Dimensions int               `json:"dimensions"`
	Options    map[string]string `json:"options"`
}

const (
	maxFile           = 1 << 20
	defaultContext    = 2048
	maxContext        = 1 << 20
	defaultDimensions = 64
	maxDimensions     = 1 << 14
)

func readFile(path string) (file, error) {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return file{}, core.Wrap(core.CodeBadModel, err, "The model file does not exist; pull or copy the model again.")
	case err != nil:
		return file{}, core.Wrap(core.CodeBadModel, err, "The model file cannot be looked at; check its rights.")
	case st.Mode().IsRegular() && isGGUF(path):
		return parseFile([]byte(`{"format":"mock"}`))
	case !st.Mode().IsRegular() || st.Size() > maxFile:
		return file{}, core.Errorf(core.CodeBadModel, "The model is no file of at most %d bytes, as a mock model is.", maxFile)
	}
	data, err := os.ReadFile(path) //nolint:gosec // the path of a load is chosen by the server
	if err != nil {
		return file{}, core.Wrap(core.CodeBadModel, err, "The model file cannot be read; check its rights.")
	}
	return parseFile(data)
}

// isGGUF reports whether a file begins as a GGUF file does.
func isGGUF(path string) bool {
	f, err := os.Open(path) //nolint:gosec // the path of a load is chosen by the server
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // read only
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	return err == nil && string(magic[:]) == "GGUF"
}

func parseFile(data []byte) (file, error) {
	f := file{}
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil || f.Format != "mock" {
		return file{}, core.Wrap(core.CodeBadModel, err, `The model file is not a mock model: it must be a JSON object with "format":"mock".`)
	}
	if f.Context == 0 {
		f.Context = defaultContext
	}
	if f.Dimensions == 0 {
		f.Dimensions = defaultDimensions
	}
	if f.Context < 1 || f.Context > maxContext || f.Dimensions < 1 || f.Dimensions > maxDimensions {
		return file{}, core.Errorf(core.CodeBadModel, "The mock model's context must be between 1 and %d and its dimensions between 1 and %d.", maxContext, maxDimensions)
	}
	return f, nil
}
