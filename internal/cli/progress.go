package cli

import (
	"fmt"
	"strings"
	"time"

	"ashatai/internal/cli/human"
)

// progressLines writes a line when the status changes, and one for each tenth of a download.
type progressLines struct {
	a      *app
	status string
	tenth  int64
}

func (p *progressLines) step(s pullProgress, _ []byte) {
	if s.Model != nil {
		p.a.installed(s.Model)
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
	text := plain(s.Status)
	if s.Total > 0 {
		text += fmt.Sprintf(" %d%% (%s of %s)", percent(s), human.Size(s.Completed), human.Size(s.Total))
	}
	p.a.err.printf("%s\n", text)
}

func (*progressLines) end(bool) {}

func percent(s pullProgress) int64 {
	return min(100, int64(float64(s.Completed)*100/float64(max(s.Total, 1))))
}

// progressBar keeps one line of a terminal up to date.
type progressBar struct {
	a     *app
	now   func() time.Time
	drawn bool

	// The speed is measured from the first step of a status on: what a resumed download had before is no speed.
	status string
	since  time.Time
	from   int64
}

func (b *progressBar) step(s pullProgress, _ []byte) {
	if s.Model != nil {
		b.clear()
		b.a.installed(s.Model)
		return
	}
	now := b.now()
	if s.Status != b.status || b.from == 0 && s.Completed > 0 {
		b.status, b.since, b.from = s.Status, now, s.Completed
	}
	b.a.err.printf("\r%s\x1b[K", b.line(s, now.Sub(b.since), b.a.err.width()))
	b.drawn = true
}

// line is the text of the bar, shorter than width.
func (b *progressBar) line(s pullProgress, took time.Duration, width int) string {
	text := plain(s.Status)
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

func (b *progressBar) clear() {
	if b.drawn {
		b.a.err.printf("\r\x1b[K")
		b.drawn = false
	}
}

// end leaves an unfinished bar where it stopped.
func (b *progressBar) end(ok bool) {
	if !ok && b.drawn {
		b.a.err.printf("\n")
	}
}
