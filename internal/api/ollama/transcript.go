package ollama

import (
	"bytes"
	"context"
	"encoding/json"

	"ashatai/internal/core"
)

// A context is a conversation as the model's own token ids: of its JSON, a list of [role, text] pairs. Its clients give it
// back as they got it. It holds words and not a rendered prompt, so the chat template renders the next turn as one of a
// conversation, and a context that somebody made up can say no more than messages could.

// transcript writes a conversation as token ids.
func (h *handler) transcript(ctx context.Context, model string, messages []core.Message, wish Wish) ([]int, error) {
	pairs := make([][2]string, len(messages))
	for i, m := range messages {
		pairs[i] = [2]string{string(m.Role), m.Content}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(pairs); err != nil {
		return nil, err
	}
	return h.Tokens.Tokenize(ctx, model, string(bytes.TrimSpace(b.Bytes())), wish)
}

// conversation reads what transcript wrote.
func (h *handler) conversation(ctx context.Context, model string, ids []int, wish Wish) ([]core.Message, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	text, err := h.Tokens.Detokenize(ctx, model, ids, wish)
	if err != nil {
		return nil, err
	}
	return parseTranscript(text)
}

func parseTranscript(text []byte) ([]core.Message, error) {
	foreign := core.Invalid("context", "context is not what an answer of this model returned. Send it as it came, to the model that it came from, or use POST /api/chat.")
	var pairs [][]string
	if err := json.Unmarshal(text, &pairs); err != nil {
		foreign.Cause = err
		return nil, foreign
	}
	if len(pairs) > core.MaxMessages {
		return nil, foreign
	}
	messages := make([]core.Message, len(pairs))
	for i, p := range pairs {
		if len(p) != 2 {
			return nil, foreign
		}
		role := core.Role(p[0])
		switch role {
		case core.RoleSystem, core.RoleUser, core.RoleAssistant:
		case core.RoleTool:
			return nil, foreign
		default:
			return nil, foreign
		}
		messages[i] = core.Message{Role: role, Content: p[1]}
	}
	return messages, nil
}

// withTurn adds a prompt to a conversation, and puts system in place of its system message where it is given.
func withTurn(messages []core.Message, system, prompt string) []core.Message {
	if system != "" {
		if len(messages) > 0 && messages[0].Role == core.RoleSystem {
			messages = messages[1:]
		}
		messages = append([]core.Message{{Role: core.RoleSystem, Content: system}}, messages...)
	}
	return append(messages, core.Message{Role: core.RoleUser, Content: prompt})
}
