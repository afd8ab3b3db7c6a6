package plan

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/device"
)

var rewrite = flag.Bool("rewrite", false, "write what happens into the scenarios of testdata")

// TestScenarios plays testdata/*.txt: commands, a line of dashes, the effects that they must have, an empty line.
// testdata/README.md explains the commands.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 14 {
		t.Fatalf("found %d scenarios: %v", len(files), err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			in, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(in))
			if *rewrite {
				if err := os.WriteFile(f, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(strings.Split(string(in), "\n"), strings.Split(got, "\n")); d != "" {
				t.Errorf("%s (-want +got):\n%s", f, d)
			}
		})
	}
}

// play returns the text with the effects that really happen.
func play(t *testing.T, text string) string {
	t.Helper()
	w := &world{t: t, s: New(Config{}), models: map[string]Model{}, ids: map[string]ID{}, keys: map[InstanceID]string{}}
	var out strings.Builder
	var effects []string
	expecting := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case expecting && line == "":
			expecting, effects = false, nil
			out.WriteString("\n")
		case expecting: // what was expected before
		case line == "----":
			expecting = true
			if len(effects) == 0 {
				effects = []string{"nothing happens"}
			}
			out.WriteString("----\n" + strings.Join(effects, "\n") + "\n")
		default:
			out.WriteString(line + "\n")
			if line != "" && !strings.HasPrefix(line, "#") {
				effects = append(effects, w.command(line)...)
			}
		}
	}
	return out.String()
}

// world is what a scenario talks about by name.
type world struct {
	t      *testing.T
	s      *State
	now    time.Duration
	models map[string]Model
	ids    map[string]ID
	names  []string
	keys   map[InstanceID]string
	said   []string
}

type args map[string]string

func (w *world) command(line string) []string {
	w.t.Helper()
	words := strings.Fields(line)
	a := args{}
	var name string
	for _, word := range words[1:] {
		if k, v, ok := strings.Cut(word, "="); ok {
			a[k] = v
		} else if name == "" {
			name = word
		} else {
			a[word] = "yes"
		}
	}
	switch words[0] {
	case "limits":
		w.s = New(Config{
			Budget: gib(w, a["budget"]), MaxQueue: num(w, a["queue"]), MaxQueuedCost: int64(num(w, a["queued-cost"])),
			KeepAlive: dur(w, a["keep-alive"]), DrainTime: dur(w, a["drain"]), Residency: dur(w, a["residency"]), Age: dur(w, a["age"]), Processors: num(w, a["processors"]),
			Devices: parts(w, a["devices"]).limits(),
		})
		return nil
	case "model":
		w.models[name] = Model{Key: name, Name: name, Family: a["family"], Memory: gib(w, a["memory"]), Pinned: a["pinned"] != "", KeepAlive: dur(w, a["keep-alive"]), Parts: parts(w, a["devices"])}
		return nil
	case "state":
		return w.state()
	case "sleep": // to the next time at which the plan wants to be asked
		at, ok := w.s.Wake()
		if !ok {
			return []string{"sleeps for ever"}
		}
		slept := at - w.now
		w.now = at
		return append([]string{fmt.Sprintf("(%s later)", slept)}, w.apply(Tick{At(w.now)})...)
	}
	return w.apply(w.event(words[0], name, a))
}

func (w *world) event(verb, name string, a args) Event {
	w.t.Helper()
	at := At(w.now)
	switch verb {
	case "after":
		w.now += dur(w, name)
		return Tick{At(w.now)}
	case "request":
		m, ok := w.models[a["for"]]
		if !ok {
			w.t.Fatalf("%s: no model %q", name, a["for"])
		}
		id := ID(len(w.ids) + 1)
		w.ids[name], w.names = id, append(w.names, name)
		r := Request{
			ID: id, Tenant: a["by"], Class: core.ClassStandard, Weight: num(w, a["weight"]), Cost: num(w, a["cost"]), Sequences: 1,
			Fingerprint: uint64(num(w, a["print"])), Force: a["force"] != "",
		}
		if a["class"] != "" {
			c, err := core.ParseClass(a["class"])
			if err != nil {
				w.t.Fatal(err)
			}
			r.Class = c
		}
		if a["sequences"] != "" {
			r.Sequences = num(w, a["sequences"])
		}
		if a["within"] != "" {
			r.Deadline = w.now + dur(w, a["within"])
		}
		return Submit{at, m, r}
	case "seen":
		return Seen{at, w.id(name)}
	case "done":
		return Done{at, w.id(name)}
	case "cancel":
		return Cancel{at, w.id(name)}
	case "loaded":
		n := 1
		if a["sequences"] != "" {
			n = num(w, a["sequences"])
		}
		return Loaded{at, w.instance(name), gib(w, a["memory"]), n, parts(w, a["devices"])}
	case "load-failed":
		return LoadFailed{at, w.instance(name), core.Errorf(core.Code(a["code"]), "The load failed.")}
	case "died":
		return Died{at, w.instance(name), core.Errorf(core.CodeWorkerDied, "Signal 11.")}
	case "stopped":
		return Stopped{at, w.instance(name)}
	case "unload":
		return Unload{at, name}
	case "drain":
		return Drain{at}
	}
	w.t.Fatalf("no command %q", verb)
	return nil
}

func (w *world) apply(e Event) []string {
	w.said = nil
	for _, f := range w.s.Apply(e) {
		f.Tell(w)
	}
	return w.said
}

func (w *world) say(format string, a ...any) { w.said = append(w.said, fmt.Sprintf(format, a...)) }

func (w *world) Start(e Start) {
	w.keys[e.Instance] = e.Key
	w.say("start %s", w.inst(e.Instance))
}

func (w *world) Stop(e Stop) { w.say("stop %s: %s", w.inst(e.Instance), e.Reason) }

func (w *world) Admit(e Admit) {
	w.say("admit %s to %s%s", w.names[e.ID-1], w.inst(e.Instance), positive(" after ", e.Queued))
}

func (w *world) Fail(e Fail) {
	w.say("fail %s with %s: %s%s", w.names[e.ID-1], e.Err.Code, e.Err.Message, positive(" Retry after ", e.Err.RetryAfter))
}

func (w *world) Share(e Share) {
	w.say("share for %s: %d processors", w.inst(e.Instance), e.Processors)
}

func (w *world) state() []string {
	var out []string
	for _, v := range w.s.View() {
		line := fmt.Sprintf("%s %s, %s, %d of %d sequences used, %d waiting", w.inst(v.ID), v.Phase, bytes(v.Memory), v.Used, v.Sequences, v.Queued)
		line += shown(v.Parts)
		if v.ExpiresAt > 0 {
			line += fmt.Sprintf(", unloaded in %s", v.ExpiresAt-w.now)
		}
		out = append(out, line)
	}
	if w.s.Drained() {
		out = append(out, "drained")
	}
	return append(out, "memory used: "+bytes(w.s.Used()))
}

func shown(parts []device.Part) string {
	var out strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&out, ", %s of %s", bytes(p.Bytes), p.ID)
	}
	return out.String()
}

func (w *world) inst(id InstanceID) string { return fmt.Sprintf("%s#%d", w.keys[id], id) }

func (w *world) instance(name string) InstanceID {
	w.t.Helper()
	_, n, _ := strings.Cut(name, "#")
	return InstanceID(num(w, n))
}

func (w *world) id(name string) ID {
	w.t.Helper()
	id, ok := w.ids[name]
	if !ok {
		w.t.Fatalf("no request %q", name)
	}
	return id
}

func positive(before string, d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return before + d.String()
}

func num(w *world, s string) int {
	w.t.Helper()
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func gib(w *world, s string) int64 { return int64(num(w, s)) << 30 }

type deviceParts []device.Part

// parts reads "gpu0:4,gpu1:2", in GiB.
func parts(w *world, s string) (out deviceParts) {
	w.t.Helper()
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' }) {
		id, n, _ := strings.Cut(word, ":")
		out = append(out, device.Part{ID: id, Bytes: gib(w, n)})
	}
	return out
}

func (l deviceParts) limits() map[string]int64 {
	out := map[string]int64{}
	for _, p := range l {
		out[p.ID] = p.Bytes
	}
	return out
}

func dur(w *world, s string) time.Duration {
	w.t.Helper()
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}
