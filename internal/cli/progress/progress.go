// Package progress reads the lines by which a server tells how something long goes on, and shows them: as a bar on a terminal,
// as lines elsewhere, or as they came.
package progress

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"ashatai/internal/cli/failure"
	"ashatai/internal/cli/human"
	"ashatai/internal/cli/screen"
)

// MaxLine bounds a line of progress.
const MaxLine = 1 << 20

// Step is one line of a pull's progress.
type Step struct {
	Job       string `json:"job"`
	Status    string `json:"status"`
	Total     int64  `json:"total"`
	Completed int64  `json:"completed"`
	Digest    string `json:"digest"`
	Model     *Model `json:"model"` // of the last line alone
}

// Model is what was installed.
type Model struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// View shows how a pull goes on.
type View interface {
	Step(p Step, line []byte)
	End(ok bool) // once, after the last step
}

// ErrCutOff is a pull whose last line is missing.
var ErrCutOff = errors.New("the progress ended without a result")

// Follow reads the lines of a pull to the end.
func Follow(r io.Reader, show View) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, MaxLine)
	for in.Scan() {
		line := bytes.TrimSpace(in.Bytes())
		if len(line) == 0 {
			continue
		}
		if e := failure.Parse(line, http.StatusInternalServerError); e != nil {
			show.End(false)
			return e
		}
		var p Step
		if err := json.Unmarshal(line, &p); err != nil {
			show.End(false)
			return ErrCutOff
		}
		show.Step(p, line)
		if p.Model != nil {
			show.End(true)
			return nil
		}
	}
	show.End(false)
	return ErrCutOff
}

// Of shows progress as the screen of errors can, and the result on that of answers.
func Of(out, err *screen.Screen) View {
	if err.Terminal {
		return &bar{out: out, err: err, now: time.Now}
	}
	return &lines{out: out, err: err}
}

// JSON passes the server's lines on.
type JSON struct{ W io.Writer }

// Step implements View.
func (p JSON) Step(_ Step, line []byte) {
	_, _ = p.W.Write(append(bytes.Clone(line), '\n'))
}

// End implements View.
func (JSON) End(bool) {}

// current is the status of a pull that found nothing to do.
const current = "already up to date"

// installed tells the result of a pull, whose last status was that.
func installed(out *screen.Screen, m *Model, status string) {
	if status == current {
		out.Printf("%s is already up to date (%s).\n", screen.Plain(m.Name), human.Size(m.Size))
		return
	}
	out.Printf("Installed %s (%s).\n", screen.Plain(m.Name), human.Size(m.Size))
}

// lines writes a line when the status changes, and one for each tenth of a download.
type lines struct {
	out, err *screen.Screen
	status   string
	tenth    int64
}

func (p *lines) Step(s Step, _ []byte) {
	if s.Model != nil {
		installed(p.out, s.Model, p.status)
		return
	}
	tenth := int64(0)
	if s.Total > 0 {
		tenth = s.Completed / max(s.Total/10, 1)
	}
	if s.Status == p.status && tenth <= p.tenth {
		return
	}
	p.status, p.tenth = s.Status, tenth
	text := screen.Plain(s.Status)
	if s.Total > 0 {
		text += fmt.Sprintf(" %d%% (%s of %s)", percent(s), human.Size(s.Completed), human.Size(s.Total))
	}
	p.err.Printf("%s\n", text)
}

func (*lines) End(bool) {}

func percent(s Step) int64 {
	return min(100, int64(float64(s.Completed)*100/float64(max(s.Total, 1))))
}

// bar keeps one line of a terminal up to date.
type bar struct {
	out, err *screen.Screen
	now      func() time.Time
	drawn    bool

	// The speed is measured from the first step of a status on: what a resumed download had before is no speed.
	status string
	since  time.Time
	from   int64
}

func (b *bar) Step(s Step, _ []byte) {
	if s.Model != nil {
		b.clear()
		installed(b.out, s.Model, b.status)
		return
	}
	now := b.now()
	if s.Status != b.status || b.from == 0 && s.Completed > 0 {
		b.status, b.since, b.from = s.Status, now, s.Completed
	}
	b.err.Printf("\r%s\x1b[K", b.line(s, now.Sub(b.since), b.err.Width()))
	b.drawn = true
}

// line is the text of the bar, shorter than width.
func (b *bar) line(s Step, took time.Duration, width int) string {
	text := screen.Plain(s.Status)
	if s.Total <= 0 {
		return cutTo(text, width-1)
	}
	tail := fmt.Sprintf(" %3d%%  %s of %s", percent(s), human.Size(s.Completed), human.Size(s.Total))
	if done := s.Completed - b.from; done > 0 && took >= time.Second {
		rate := float64(done) / took.Seconds()
		left := time.Duration(float64(s.Total-s.Completed) / rate * float64(time.Second)).Round(time.Second)
		tail += fmt.Sprintf("  %s/s  %s left", human.Size(int64(rate)), left)
	}
	room := width - 1 - len([]rune(text)) - len([]rune(tail)) - len("  []")
	if room >= 10 {
		room = min(room, 40)
		full := int(percent(s)) * room / 100
		text += "  [" + strings.Repeat("#", full) + strings.Repeat(".", room-full) + "]"
	}
	return cutTo(text+tail, width-1)
}

func cutTo(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:max(n, 0)])
	}
	return s
}

func (b *bar) clear() {
	if b.drawn {
		b.err.Printf("\r\x1b[K")
		b.drawn = false
	}
}

// End leaves an unfinished bar where it stopped.
func (b *bar) End(ok bool) {
	if !ok && b.drawn {
		b.err.Printf("\n")
	}
}
