package cli

import (
	"context"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/client"
	"ashatai/internal/cli/human"
	"ashatai/internal/cli/screen"
	"ashatai/internal/core"
)

// maxPrompt bounds what is read from standard input; no model reads more.
const maxPrompt = 8 << 20

// runOptions are the flags of run.
type runOptions struct {
	server      serverFlags
	system      string
	temperature float64
	seed        int64
	maxTokens   int
	json        bool
}

func (a *app) run() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [MODEL] [PROMPT…]",
		Short: "Ask a model, or chat with it",
		Long: "Ask a model, or chat with it when there is no prompt. Without a model the server's default one answers. Text on\n" +
			"standard input is the prompt, or comes after PROMPT. In a chat, Ctrl-C stops a reply, Ctrl-D leaves, and /help\n" +
			"lists the commands.",
		Example: "  ashatai run\n  ashatai run smollm2:135m \"Why is the sky blue?\"\n  ashatai run smollm2:135m \"Sum this up:\" < notes.txt",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runModel(cmd, args, o)
		},
	}
	o.server.add(cmd)
	cmd.Flags().StringVar(&o.system, "system", "", "the system `prompt`")
	cmd.Flags().Float64Var(&o.temperature, "temperature", 0, "how freely the model chooses, from 0 to 5 (default: the model's)")
	cmd.Flags().Int64Var(&o.seed, "seed", 0, "a number that makes answers repeat")
	cmd.Flags().IntVar(&o.maxTokens, "max-tokens", 0, "end the answer after so many tokens")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object: model, response, finish_reason, usage")
	cmd.ValidArgsFunction = a.completeModels(&o.server, 1)
	return cmd
}

// request is what the flags and arguments say; a flag that was not given is left to the server.
func (o *runOptions) request(cmd *cobra.Command, model string) (chatRequest, error) {
	req := chatRequest{Model: model}
	if cmd.Flags().Changed("temperature") {
		req.Temperature = &o.temperature
	}
	if cmd.Flags().Changed("seed") {
		req.Seed = &o.seed
	}
	if cmd.Flags().Changed("max-tokens") {
		if o.maxTokens < 1 {
			return req, usage(cmd, "--max-tokens is %d; it must be at least 1.", o.maxTokens)
		}
		req.MaxTokens = &o.maxTokens
	}
	if o.system != "" {
		req.Messages = append(req.Messages, chatMessage{"system", o.system})
	}
	if !utf8.ValidString(o.system) {
		return req, usage(cmd, "--system is not valid UTF-8.")
	}
	return req, nil
}

// modelAndPrompt splits the arguments. A first one with a space in it cannot be a name: it is a prompt already.
func modelAndPrompt(args []string) (model, prompt string) {
	if len(args) > 0 && !strings.ContainsAny(strings.TrimSpace(args[0]), " \t\n") {
		model, args = args[0], args[1:]
	}
	return model, strings.Join(args, " ")
}

func (a *app) runModel(cmd *cobra.Command, args []string, o runOptions) error {
	model, prompt := modelAndPrompt(args)
	req, err := o.request(cmd, model)
	if err != nil {
		return err
	}
	c, err := a.client(cmd, o.server)
	if err != nil {
		return err
	}
	_, person := screen.TerminalOf(a.in)
	if prompt == "" && person && a.out.Terminal && !o.json {
		if err := a.reachable(cmd.Context(), c); err != nil {
			return err
		}
		return a.chat(cmd.Context(), c, req)
	}
	if !person || prompt == "" {
		if prompt, err = a.withInput(cmd, prompt); err != nil {
			return err
		}
	}
	req.Messages = append(req.Messages, chatMessage{"user", prompt})
	return a.ask(cmd.Context(), c, req, o.json)
}

// withInput puts what stands on standard input behind the prompt.
func (a *app) withInput(cmd *cobra.Command, prompt string) (string, error) {
	b, err := io.ReadAll(io.LimitReader(a.in, maxPrompt+1))
	switch {
	case err != nil:
		return "", core.Wrap(core.CodeInternal, err, "Standard input cannot be read: %s.", err)
	case len(b) > maxPrompt:
		return "", usage(cmd, "Standard input is longer than %s, which no model reads.", human.Size(maxPrompt))
	}
	text := strings.TrimRight(string(b), "\r\n")
	switch {
	case strings.TrimSpace(prompt) == "" && strings.TrimSpace(text) == "":
		return "", usage(cmd, "There is no prompt. Give one after the model, or on standard input.")
	case !utf8.ValidString(prompt + text):
		return "", usage(cmd, "The prompt is not valid UTF-8 text.")
	case strings.TrimSpace(prompt) == "":
		return text, nil
	case text == "":
		return prompt, nil
	}
	return prompt + "\n\n" + text, nil
}

// ask prints one answer.
func (a *app) ask(ctx context.Context, c *client.Client, req chatRequest, asJSON bool) error {
	show := a.out.Text
	if asJSON {
		show = func(string) error { return nil }
	}
	reply, err := complete(ctx, c, req, show)
	if asJSON {
		if err != nil {
			return err
		}
		return a.out.JSON(reply)
	}
	if reply.Response != "" && !strings.HasSuffix(reply.Response, "\n") {
		a.out.Printf("\n")
	}
	a.remarks(reply)
	return err
}

// remarks tell what the text itself does not show.
func (a *app) remarks(reply *chatReply) {
	if reply.fallback != "" {
		a.err.Printf("%s %s\n", a.err.Yellow("note:"), screen.Plain(reply.fallback))
	}
	if reply.Finish == "length" {
		a.err.Printf("%s\n", a.err.Dim("(The answer stopped at the limit of tokens.)"))
	}
}
