package v1

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"ashatai/internal/core"
)

// ChatSummary is a chat in a list.
type ChatSummary struct {
	ID      string    `json:"id"`
	Title   string    `json:"title"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	Found   string    `json:"found,omitempty" doc:"what stands around the place where a search found something"`
}

// ChatList is the answer of GET /api/v1/chats.
type ChatList struct {
	Chats []ChatSummary `json:"chats"`
	More  bool          `json:"more" doc:"there are more after the last one"`
}

// Chat is all of one chat. Its messages are a tree: the branch that is shown ends with the head.
type Chat struct {
	ChatSummary

	Settings json.RawMessage `json:"settings" doc:"an object of the page's own: model, system prompt, parameters"`
	Head     string          `json:"head,omitempty" doc:"id of the last message of the branch that is shown"`
	Messages []ChatMessage   `json:"messages" doc:"in the order in which they were written"`
}

// NewChat begins a chat.
type NewChat struct {
	Title    string          `json:"title"`
	Settings json.RawMessage `json:"settings"`
	Messages []ChatMessage   `json:"messages" doc:"the first ones; each is the parent of the next one that names none"`
}

// ChatPatch changes a chat; what is absent stays.
type ChatPatch struct {
	Title    *string         `json:"title"`
	Head     *string         `json:"head" doc:"id of the last message of the branch to show"`
	Settings json.RawMessage `json:"settings"`
}

// NewMessages adds to a chat.
type NewMessages struct {
	Parent   string        `json:"parent" doc:"id of the message that the first one answers; empty: it begins a branch of its own"`
	Messages []ChatMessage `json:"messages" required:"true"`
}

// MessageList is the answer to NewMessages, with the ids that the messages got.
type MessageList struct {
	Messages []ChatMessage `json:"messages"`
}

// ChatMessage is one message of a chat.
type ChatMessage struct {
	ID          string          `json:"id,omitempty" doc:"given by the server"`
	Parent      string          `json:"parent,omitempty" doc:"id of the message before it"`
	Role        string          `json:"role" enum:"user,assistant,tool"`
	Content     string          `json:"content"`
	Reasoning   string          `json:"reasoning,omitempty"`
	Attachments []Attachment    `json:"attachments,omitempty"`
	Calls       []ChatCall      `json:"calls,omitempty" doc:"tools that the assistant asks for"`
	Call        string          `json:"call,omitempty" doc:"id of the call whose result a message of role tool is"`
	Model       string          `json:"model,omitempty"`
	Finish      string          `json:"finish,omitempty" doc:"why an answer ended: stop, length, tool_calls, stopped, failed"`
	Figures     json.RawMessage `json:"figures,omitempty" doc:"an object of the page's own: tokens, times, where it ran"`
	Created     time.Time       `json:"created" doc:"absent: now"`
}

// Attachment is a text file that goes with a message.
type Attachment struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// ChatCall is one call that an assistant asks for.
type ChatCall struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments" doc:"JSON, as the model wrote it"`
}

// newMessages gives the messages of a request their ids, and makes what is stored of them.
func newMessages(parent string, list []ChatMessage) ([]ChatMessage, []core.StoredItem, error) {
	if len(list) > maxMessages {
		return nil, nil, core.Invalid("messages", "messages has %d entries; at most %d are allowed at once.", len(list), maxMessages)
	}
	out := make([]ChatMessage, len(list))
	items := make([]core.StoredItem, len(list))
	for i, m := range list {
		if !knownRole(m.Role) {
			at := fmt.Sprintf("messages.%d.role", i)
			return nil, nil, core.Invalid(at, "%s is %q; it must be user, assistant or tool.", at, m.Role)
		}
		if i > 0 && m.Parent != "" {
			at := fmt.Sprintf("messages.%d.parent", i)
			return nil, nil, core.Invalid(at, "%s is given; only the first message of a request names its parent, the others follow it.", at)
		}
		m.ID = "msg_" + rand.Text()
		if m.Parent == "" {
			m.Parent = parent
		}
		parent = m.ID
		if m.Created.IsZero() {
			m.Created = time.Now().UTC()
		}
		out[i] = m
		var err error
		if items[i], err = itemOf(m); err != nil {
			return nil, nil, err
		}
	}
	return out, items, nil
}

// storedMessage is a message as OpenAI spells the items of a conversation, with the rest beside it.
type storedMessage struct {
	ID      string        `json:"id"`
	Type    string        `json:"type"`
	Status  string        `json:"status"`
	Role    string        `json:"role"`
	Content []storedPart  `json:"content"`
	Ashatai storedBesides `json:"ashatai"`
}

type storedPart struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// storedBesides is the message without what its item says.
type storedBesides ChatMessage

// itemOf makes what is stored of a message.
func itemOf(m ChatMessage) (core.StoredItem, error) {
	kind := "input_text"
	if m.Role == "assistant" {
		kind = "output_text"
	}
	s := storedMessage{ID: m.ID, Type: "message", Status: "completed", Role: m.Role, Content: []storedPart{{kind, m.Content}}, Ashatai: storedBesides(m)}
	s.Ashatai.Content = ""
	body, err := json.Marshal(s)
	if err != nil {
		return core.StoredItem{}, core.Wrap(core.CodeInvalidRequest, err, "A message cannot be stored: settings and figures must be JSON.")
	}
	return core.StoredItem{ID: m.ID, Output: m.Role == "assistant", Body: string(body)}, nil
}

// messageOf reads what itemOf made. An item that somebody added by the calls for conversations is read as far as it is a
// message.
func messageOf(it core.StoredItem) (ChatMessage, error) {
	var s struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
		Ashatai ChatMessage     `json:"ashatai"`
	}
	if err := json.Unmarshal([]byte(it.Body), &s); err != nil {
		return ChatMessage{}, core.Wrap(core.CodeInternal, err, "The message %s of a chat cannot be read.", it.ID)
	}
	m := s.Ashatai
	m.ID = it.ID
	if m.Role == "" {
		m.Role = s.Role
	}
	var parts []storedPart
	if json.Unmarshal(s.Content, &parts) == nil {
		for _, p := range parts {
			m.Content += p.Text
		}
	} else if err := json.Unmarshal(s.Content, &m.Content); err != nil {
		m.Content = ""
	}
	return m, nil
}
