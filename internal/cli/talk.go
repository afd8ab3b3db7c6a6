package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"ashatai/internal/cli/client"
	"ashatai/internal/cli/editor"
	"ashatai/internal/cli/screen"
	"ashatai/internal/core"
)

// talk is a conversation at a terminal.
type talk struct {
	a      *app
	c      *client.Client
	req    chatRequest // the flags; its messages are made anew for each turn
	system string
	turns  []chatMessage
	editor *editor.Editor
	warned bool // Ctrl-C was pressed, and one more at the empty prompt leaves
}

// chat talks with a person until they leave.
func (a *app) chat(ctx context.Context, c *client.Client, req chatRequest) error {
	t := &talk{a: a, c: c, req: req, editor: editor.New(a.in, a.out, a.out.Bold(">>> "))}
	if len(req.Messages) > 0 {
		t.system = req.Messages[0].Content
	}
	name, err := modelName(ctx, c, req.Model)
	if err != nil {
		return err
	}
	t.req.Model = name
	a.out.Printf("%s\n", a.out.Dim("Talking to "+screen.Plain(name)+". /help lists the commands, Ctrl-D leaves."))
	for {
		line, err := t.editor.Line(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, editor.ErrInterrupt):
			if t.warned && !t.editor.Touched() {
				return nil
			}
			t.warn("Press Ctrl-C again, or Ctrl-D, to leave.")
			continue
		case err != nil:
			return err
		}
		t.warned = false
		line = strings.TrimSpace(line)
		if word, rest, ok := command(line); ok {
			if t.obey(word, rest) {
				return nil
			}
			continue
		}
		if line == "" {
			continue
		}
		if err := t.turn(ctx, line); err != nil {
			return err
		}
	}
}

// warn tells something after Ctrl-C.
func (t *talk) warn(text string) {
	t.warned = true
	t.editor.Untouch()
	t.a.out.Printf("%s\n", t.a.out.Dim(text))
}

// modelName checks that a model is there before anybody types a prompt for it; an empty name is the default one's.
func modelName(ctx context.Context, c *client.Client, name string) (string, error) {
	if name != "" {
		var m modelDetail
		_, err := c.Call(ctx, http.MethodGet, modelPath(name), nil, &m)
		return m.Name, err
	}
	var list modelList
	if _, err := c.Call(ctx, http.MethodGet, "/api/v1/models", nil, &list); err != nil {
		return "", err
	}
	if len(list.Models) == 0 {
		return "", core.Errorf(core.CodeModelNotFound, "No models are installed at %s. `ashatai pull` installs one.", c.Base)
	}
	return list.Models[0].Name, nil
}

// command tells a command from a prompt that begins with a slash, such as a path.
func command(line string) (word, rest string, ok bool) {
	word, rest, _ = strings.Cut(line, " ")
	name, ok := strings.CutPrefix(word, "/")
	if !ok || strings.ContainsFunc(name, func(r rune) bool { return r < 'a' || r > 'z' }) {
		return "", "", false
	}
	return word, strings.TrimSpace(rest), true
}

const talkHelp = `/help           this list
/clear          forget the conversation
/system         show the system prompt
/system TEXT    set the system prompt; "" removes it
/bye            leave, as Ctrl-D does
Ctrl-C          stop a reply; empty the line
Up, Down        earlier prompts
`

// obey carries out a command and reports whether it is time to leave.
func (t *talk) obey(word, rest string) (leave bool) {
	say := func(text string) { t.a.out.Printf("%s\n", t.a.out.Dim(screen.Plain(text))) }
	switch word {
	case "/bye", "/exit", "/quit":
		return true
	case "/help":
		say(strings.TrimSuffix(talkHelp, "\n"))
	case "/clear":
		t.turns = nil
		say("The conversation is forgotten.")
	case "/system":
		switch {
		case rest == `""`:
			t.system = ""
			say("There is no system prompt now.")
		case rest != "":
			t.system = rest
			say("The system prompt is set.")
		case t.system == "":
			say("There is no system prompt.")
		default:
			say(t.system)
		}
	default:
		say("There is no command " + word + "; /help lists them.")
	}
	return false
}

// messages is the conversation with one more prompt.
func (t *talk) messages(prompt string) []chatMessage {
	var all []chatMessage
	if t.system != "" {
		all = append(all, chatMessage{"system", t.system})
	}
	return append(slices.Concat(all, t.turns), chatMessage{"user", prompt})
}

// turn asks and shows one reply. A failure is told and leaves the conversation as it was; only the end of ctx is an error.
func (t *talk) turn(ctx context.Context, prompt string) error {
	replyCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	restore := t.a.interrupts.divert(cancel)
	req := t.req
	req.Messages = t.messages(prompt)
	reply, err := complete(replyCtx, t.c, req, t.a.out.Text)
	restore()
	if !strings.HasSuffix(reply.Response, "\n") && (reply.Response != "" || err != nil) {
		t.a.out.Printf("\n")
	}
	stopped := errors.Is(err, context.Canceled)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case stopped:
		t.warn("(stopped)")
	case err != nil:
		t.a.report(err)
		if core.CodeOf(err) == core.CodeContextExceeded {
			t.a.out.Printf("%s\n", t.a.out.Dim("/clear starts a new conversation."))
		}
		return nil
	default:
		t.a.remarks(reply)
	}
	if reply.Response != "" {
		t.turns = append(t.turns, chatMessage{"user", prompt}, chatMessage{"assistant", reply.Response})
	}
	return nil
}
