package cli

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"ashatai/test/ptytest"
)

// terminal is a pseudo-terminal with a person at it: what is typed goes in, what appears is kept.
type terminal struct {
	t      *testing.T
	master *os.File
	tty    *os.File
	mu     sync.Mutex
	seen   string
	more   chan struct{}
	done   chan struct{}
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	master, tty := ptytest.Open(t)
	p := &terminal{t: t, master: master, tty: tty, more: make(chan struct{}, 1), done: make(chan struct{})}
	go p.watch()
	t.Cleanup(func() {
		_ = master.Close()
		_ = tty.Close()
		<-p.done
	})
	return p
}

func (p *terminal) watch() {
	defer close(p.done)
	buf := make([]byte, 4096)
	for {
		n, err := p.master.Read(buf)
		p.mu.Lock()
		p.seen += string(buf[:n])
		p.mu.Unlock()
		select {
		case p.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (p *terminal) typed(keys string) {
	p.t.Helper()
	if _, err := p.master.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// sees waits until text appears, and forgets what came up to its end. It returns that.
func (p *terminal) sees(text string) string {
	p.t.Helper()
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	for {
		p.mu.Lock()
		before, after, found := strings.Cut(p.seen, text)
		if found {
			p.seen = after
		}
		seen := p.seen
		p.mu.Unlock()
		if found {
			return before
		}
		select {
		case <-p.more:
		case <-limit.C:
			p.t.Fatalf("waited for %q; there is %q", text, seen)
		}
	}
}

// session is a command that runs at a terminal.
type session struct {
	*terminal

	signals chan os.Signal
	code    chan int
}

func (f *fake) session(ctx context.Context, t *testing.T, deps Deps, args ...string) *session {
	t.Helper()
	s := &session{terminal: newTerminal(t), signals: make(chan os.Signal), code: make(chan int, 1)}
	deps.Stdin, deps.Stdout, deps.Stderr, deps.Interrupts = s.tty, s.tty, s.tty, s.signals
	if f != nil {
		deps.Env = append(deps.Env, "ASHATAI_SERVER="+f.URL)
	}
	go func() { s.code <- Main(ctx, args, deps) }()
	return s
}

func (s *session) ends(want int) {
	s.t.Helper()
	select {
	case code := <-s.code:
		if code != want {
			s.t.Errorf("exit code %d, want %d", code, want)
		}
	case <-time.After(10 * time.Second):
		s.t.Fatal("the program did not end")
	}
}

func (f *fake) lastChat() chatRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.chats[len(f.chats)-1]
}

const prompt = ">>> "

func TestTalk(t *testing.T) {
	f := start(t)
	s := f.session(t.Context(), t, Deps{}, "run", "--system", "Be kind.", "--seed", "7")
	s.sees("Talking to smollm2:135m.")
	s.sees(prompt)
	s.typed("hello\r")
	s.sees("You said: hello")
	s.sees(prompt)

	// The second turn carries the first. Editing works: the word is mended before Enter.
	s.typed("agaim\x7fn\r")
	s.sees("You said: again")
	s.sees(prompt)
	req := f.lastChat()
	var roles []string
	for _, m := range req.Messages {
		roles = append(roles, m.Role+"="+m.Content)
	}
	want := "system=Be kind.|user=hello|assistant=You said: hello|user=again"
	if got := strings.Join(roles, "|"); got != want {
		t.Errorf("sent %s, want %s", got, want)
	}
	if req.Model != "smollm2:135m" || *req.Seed != 7 || req.Temperature != nil || !req.Stream || !req.StreamOptions.IncludeUsage {
		t.Errorf("sent %+v", req)
	}

	// Up brings the line before.
	s.typed("\x1b[A\r")
	s.sees("You said: again")
	s.sees(prompt)

	// Commands.
	s.typed("/help\r")
	s.sees("forget the conversation")
	s.typed("/clear\r")
	s.sees("The conversation is forgotten.")
	s.typed("/system\r")
	s.sees("Be kind.")
	s.typed("/system Be short.\r")
	s.sees("The system prompt is set.")
	s.typed("/system \"\"\r")
	s.sees("There is no system prompt now.")
	s.typed("/system\r")
	s.sees("There is no system prompt.")
	s.typed("/nonsense\r")
	s.sees("There is no command /nonsense; /help lists them.")
	s.typed("\r/etc/passwd is a file\r")
	s.sees("You said: /etc/passwd is a file")
	s.sees(prompt)
	if n := len(f.lastChat().Messages); n != 1 {
		t.Errorf("%d messages were sent after /clear", n)
	}
	s.typed("/bye\r")
	s.ends(ExitDone)
}

func TestTalkPaste(t *testing.T) {
	f := start(t)
	s := f.session(t.Context(), t, Deps{}, "run", "smollm2:135m")
	s.sees(prompt)
	s.typed("\x1b[200~one\rtwo\rthree\x1b[201~\r")
	s.sees("You said: one\r\ntwo\r\nthree")
	s.sees(prompt)
	if got := f.lastChat().Messages[0].Content; got != "one\ntwo\nthree" {
		t.Errorf("sent %q", got)
	}
	s.typed("\x04")
	s.ends(ExitDone)
}

func TestTalkInterrupts(t *testing.T) {
	f := start(t)
	s := f.session(t.Context(), t, Deps{}, "run", "smollm2:135m")
	s.sees(prompt)

	// During a reply Ctrl-C is a signal: the reply ends, the chat goes on, and what was said stays in it.
	s.typed("wait\r")
	s.sees("You said: wait")
	<-f.begun
	s.signals <- os.Interrupt
	s.sees("(stopped)")
	s.sees(prompt)
	s.typed("more\r")
	s.sees("You said: more")
	s.sees(prompt)
	if n := len(f.lastChat().Messages); n != 3 {
		t.Errorf("%d messages, want the stopped turn and the new prompt", n)
	}

	// At the prompt it is a key: it empties the line. Only a second one, with nothing typed between, leaves.
	s.typed("never sent\x03")
	s.sees("Press Ctrl-C again, or Ctrl-D, to leave.")
	s.sees(prompt)
	s.typed("kept\r")
	s.sees("You said: kept")
	s.sees(prompt)
	s.typed("\x03")
	s.sees("Press Ctrl-C again")
	s.sees(prompt)
	s.typed("x\x03")
	s.sees("Press Ctrl-C again")
	s.sees(prompt)
	s.typed("\x03")
	s.ends(ExitDone)
}

func TestTalkStoppedThenLeft(t *testing.T) {
	f := start(t)
	s := f.session(t.Context(), t, Deps{}, "run")
	s.sees(prompt)
	s.typed("wait\r")
	<-f.begun
	s.signals <- os.Interrupt
	s.sees("(stopped)")
	s.sees(prompt)
	s.typed("\x03") // the second one, on the empty prompt
	s.ends(ExitDone)
}

func TestTalkGoesOnAfterFailures(t *testing.T) {
	f := start(t)
	s := f.session(t.Context(), t, Deps{}, "run")
	s.sees(prompt)
	s.typed("die\r")
	s.sees("The worker died.")
	s.sees(prompt)
	s.typed("too long\r")
	s.sees("The prompt has 9000 tokens; 8192 fit.")
	s.sees("/clear starts a new conversation.")
	s.sees(prompt)
	s.typed("long\r")
	s.sees("stopped at the limit of tokens")
	s.sees(prompt)
	if n := len(f.lastChat().Messages); n != 1 {
		t.Errorf("%d messages; a failed turn is not part of the conversation", n)
	}
	s.typed("\x04")
	s.ends(ExitDone)
}

func TestTalkEnds(t *testing.T) {
	f := start(t)
	// By a signal while a line is read.
	s := f.session(t.Context(), t, Deps{}, "run")
	s.sees(prompt)
	s.signals <- os.Interrupt
	s.ends(ExitInterrupted)

	// By the end of the program's context in the middle of a reply.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s = f.session(ctx, t, Deps{}, "run")
	s.sees(prompt)
	s.typed("wait\r")
	<-f.begun
	cancel()
	s.ends(ExitInterrupted)

	// Because there is nothing to talk to.
	f.session(t.Context(), t, Deps{}, "run", "nothing").ends(ExitNotFound)
	f.mu.Lock()
	f.models = nil
	f.mu.Unlock()
	s = f.session(t.Context(), t, Deps{}, "run")
	s.sees("No models are installed")
	s.ends(ExitNotFound)
}

func TestColour(t *testing.T) {
	f := start(t)
	s := f.session(t.Context(), t, Deps{}, "list")
	s.sees("\x1b[1mNAME")
	s.ends(ExitDone)
	s = f.session(t.Context(), t, Deps{Env: []string{"NO_COLOR=1"}}, "list")
	if before := s.sees("NAME"); before != "" {
		t.Errorf("NO_COLOR, and still %q", before)
	}
	s.ends(ExitDone)
	s = f.session(t.Context(), t, Deps{Doctor: scriptedDoctor}, "doctor", "--home", "sick")
	s.sees("\x1b[31mfail\x1b[0m")
	s.ends(ExitFailed)
}

func TestPullBar(t *testing.T) {
	f := start(t)
	s := f.session(t.Context(), t, Deps{}, "pull", "/new.gguf")
	s.sees("\rpulling  [")
	s.sees("] 100%  91.7 MB of 91.7 MB")
	s.sees("\r\x1b[KInstalled new:latest")
	s.ends(ExitDone)
	s = f.session(t.Context(), t, Deps{}, "pull", "/bad.gguf")
	s.sees("\r\n\x1b[31mashatai:\x1b[0m The file bad.gguf")
	s.ends(ExitFailed)
}

// TestSpawn starts the server that a chat offers to start.
func TestSpawn(t *testing.T) {
	f := start(t)
	addr := strings.TrimPrefix(f.URL, "http://")
	f.Close()
	var started string
	deps := Deps{Env: []string{"ASHATAI_SERVER=" + addr}, Spawn: func(_ context.Context, at string) error {
		started = at
		return errors.New("cannot start")
	}}
	s := (*fake)(nil).session(t.Context(), t, deps, "run")
	s.sees("No server answers at http://" + addr + ". Start one in the background? [Y/n] ")
	s.typed("n\r")
	s.sees("Start one with `ashatai serve`")
	s.ends(ExitUnavailable)
	if started != "" {
		t.Fatal("started although the answer was no")
	}

	s = (*fake)(nil).session(t.Context(), t, deps, "run")
	s.sees("[Y/n] ")
	s.typed("\r")
	s.sees("Cannot start.")
	s.ends(ExitFailed)
	if started != addr {
		t.Errorf("started at %q", started)
	}

	deps.Spawn = func(ctx context.Context, at string) error {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", at)
		if err != nil {
			return err
		}
		later := &http.Server{Handler: f.Config.Handler, ReadHeaderTimeout: time.Second}
		go func() { _ = later.Serve(l) }()
		t.Cleanup(func() { _ = later.Close() })
		return nil
	}
	s = (*fake)(nil).session(t.Context(), t, deps, "run")
	s.sees("[Y/n] ")
	s.typed("y\r")
	s.sees("Talking to")
	s.sees(prompt)
	s.typed("/bye\r")
	s.ends(ExitDone)
}
