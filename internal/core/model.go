package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// ModelName is a parsed model name: [host/][namespace/]name[:tag], in lower case. The tag is "latest" when none is given.
type ModelName struct {
	Host      string
	Namespace string
	Name      string
	Tag       string
}

const (
	maxModelName = 255
	maxNamePart  = 128
)

// ParseModelName reads a name as a user types it. Upper case is folded, "latest" is filled in, and anything that could
// leave a folder, or that is no name, is refused with a reason.
func ParseModelName(s string) (ModelName, error) {
	in := s
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "" {
		return ModelName{}, Invalid("model", "The model name is empty.")
	}
	if len(s) > maxModelName {
		return ModelName{}, Invalid("model", "The model name has %d bytes; at most %d are allowed.", len(s), maxModelName)
	}
	n := ModelName{Tag: "latest"}
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, '/') {
		s, n.Tag = s[:i], s[i+1:]
	}
	parts := strings.Split(s, "/")
	switch len(parts) {
	case 1:
		n.Name = parts[0]
	case 2:
		n.Namespace, n.Name = parts[0], parts[1]
	case 3:
		n.Host, n.Namespace, n.Name = parts[0], parts[1], parts[2]
	default:
		return ModelName{}, Invalid("model", "The model name %s has too many parts; it is written [host/][namespace/]name[:tag].", quote(in))
	}
	for i, p := range append(parts, n.Tag) {
		if !validNamePart(p, n.Host != "" && i == 0) {
			return ModelName{}, Invalid("model", "The model name %s is not valid at %s; use letters, digits, '.', '_' and '-', starting with a letter or digit.", quote(in), quote(p))
		}
	}
	return n, nil
}

func validNamePart(p string, host bool) bool {
	if p == "" || len(p) > maxNamePart || strings.Contains(p, "..") {
		return false
	}
	for i, c := range []byte(p) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		case i > 0 && host && c == ':':
		default:
			return false
		}
	}
	return true
}

// quote shows a caller's text in a message: quoted, and cut where it is long.
func quote(s string) string {
	const limit = 80
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}

// String is the canonical form, with the tag always present.
func (n ModelName) String() string { return n.base() + ":" + n.Tag }

// Short is the canonical form without ":latest".
func (n ModelName) Short() string {
	if n.Tag == "latest" {
		return n.base()
	}
	return n.String()
}

func (n ModelName) base() string {
	return strings.Join(slices.DeleteFunc([]string{n.Host, n.Namespace, n.Name}, func(s string) bool { return s == "" }), "/")
}

// Capability is one thing that a model can do.
type Capability string

// The capabilities that manifests name.
const (
	CapChat     Capability = "chat"
	CapGenerate Capability = "generate"
	CapEmbed    Capability = "embed"
	CapTools    Capability = "tools"
	CapThinking Capability = "thinking"
	CapRerank   Capability = "rerank"
	CapTensors  Capability = "tensors"
	CapVision   Capability = "vision"
)

// File is one file of a model. SHA256 is lower-case hex and names the blob that holds the bytes.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Alias is another name for an installed model, and nothing but a name.
type Alias struct {
	Name    string `json:"name"`
	Model   string `json:"model"`             // what it stands for
	Setting bool   `json:"setting,omitempty"` // the settings made it, and only they can change it
	Missing bool   `json:"missing,omitempty"` // what it stands for is not installed
}

// AliasOf finds the alias that a caller named in any of its spellings. One whose model is missing is none.
func AliasOf(all []Alias, name string) (Alias, bool) {
	n, err := ParseModelName(name)
	i := slices.IndexFunc(all, func(a Alias) bool { return err == nil && a.Name == n.Short() && !a.Missing })
	if i < 0 {
		return Alias{}, false
	}
	return all[i], true
}

// Turn is a message that a model brings with it.
type Turn struct {
	Role    Role   `json:"role"` // system, user or assistant
	Content string `json:"content"`
}

// Manifest describes one installed model. It is stored as JSON beside the blobs; the database indexes it.
type Manifest struct {
	Name         string            `json:"name"`   // canonical, ModelName.String()
	Digest       string            `json:"digest"` // sha256 of the main file, lower-case hex; the model's identity
	Format       string            `json:"format"` // "gguf"
	Files        []File            `json:"files"`  // the main file first
	Architecture string            `json:"architecture"`
	Parameters   int64             `json:"parameter_count"`
	Quantization string            `json:"quantization,omitempty"`
	Context      int               `json:"context"` // tokens the model was trained for
	Capabilities []Capability      `json:"capabilities"`
	Template     string            `json:"template,omitempty"` // Jinja source of the chat template
	System       string            `json:"system,omitempty"`   // system prompt used when the caller gives none
	Defaults     Sampling          `json:"parameters"`         // sampling defaults of this model
	Stop         []string          `json:"stop,omitempty"`     // strings that end every answer, besides the caller's
	Window       int               `json:"window,omitempty"`   // tokens per sequence to load it with; 0: the server's setting
	Messages     []Turn            `json:"messages,omitempty"` // how every conversation with it begins
	BOS          string            `json:"bos,omitempty"`      // text of the special tokens that templates use
	EOS          string            `json:"eos,omitempty"`
	License      string            `json:"license,omitempty"`
	Source       string            `json:"source"` // where it came from: a URL, a file name, "bundled"
	Aliases      []string          `json:"aliases,omitempty"`
	Created      time.Time         `json:"created"`
	Labels       map[string]string `json:"labels,omitempty"`
}

// Can reports whether the model has capability c.
func (m *Manifest) Can(c Capability) bool { return slices.Contains(m.Capabilities, c) }

// FormatRemote is the format of models that a server elsewhere holds; they have no files here.
const FormatRemote = "remote"

// Elsewhere reports whether a server elsewhere holds the model, renders its template and reads its answers.
func (m *Manifest) Elsewhere() bool { return m.Format == FormatRemote }

// Size is the number of bytes of all files.
func (m *Manifest) Size() int64 {
	var n int64
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}
