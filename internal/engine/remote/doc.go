// Package remote is the runtime whose models are served elsewhere: by vLLM, SGLang, TGI, llama-server, another ASHATAI, or
// whatever speaks OpenAI's interface. It asks for chats, completions, embeddings and scores, passes streams, calls and
// reasoning on, and says in one typed way how a server failed. It holds no weights, takes no memory and starts no process;
// which server is asked, and what happens after a fault, is its caller's business. It tries again only what nothing was
// answered of.
package remote

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/netx"
)

// Kinds of server: what is beyond OpenAI's interface differs.
const (
	KindAuto     = "auto" // found out at the load
	KindOpenAI   = "openai"
	KindLlamaCpp = "llamacpp"
	KindVLLM     = "vllm"
	KindSGLang   = "sglang"
	KindAshatai  = "ashatai"
)

// Server is one server elsewhere. Zero values mean the defaults in brackets.
type Server struct {
	Name        string                 // as people call it
	URL         string                 // of OpenAI's interface, with the /v1
	Kind        string                 // [auto]
	Key         func() (string, error) // the credential; nil: none
	Timeout     time.Duration          // without a byte, the wait for the first one included [2m]
	Concurrency int                    // requests at once [16]
	Retries     int                    // of what nothing was answered of; negative: none [2]
	Backoff     time.Duration          // before the first retry; doubles [100ms]
	Allow       []string               // what may be reached besides the URL's own host, see netx
	UserAgent   string
}

const (
	defaultTimeout     = 2 * time.Minute
	defaultConcurrency = 16
	defaultRetries     = 2
	defaultBackoff     = 100 * time.Millisecond
	longestAnswer      = 24 * time.Hour
	maxAnswer          = 256 << 20 // bytes
)

func (s Server) withDefaults() Server {
	if s.Kind == "" {
		s.Kind = KindAuto
	}
	if s.Timeout <= 0 {
		s.Timeout = defaultTimeout
	}
	if s.Concurrency <= 0 {
		s.Concurrency = defaultConcurrency
	}
	if s.Retries == 0 {
		s.Retries = defaultRetries
	}
	if s.Backoff <= 0 {
		s.Backoff = defaultBackoff
	}
	return s
}

// server is a Server that can be asked.
type server struct {
	Server
	base *url.URL // without a trailing slash
	http *netx.Client
}

func newServer(s Server) (*server, error) {
	s = s.withDefaults()
	base, err := url.Parse(s.URL)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Hostname() == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, core.Invalid("remotes."+s.Name+".url", "The remote %s has no usable URL. Write http://host:port/v1 or https://host/v1, without a key in it.", s.Name)
	}
	base.Path = strings.TrimRight(base.Path, "/")
	port := base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[base.Scheme]
	}
	// Whoever names a server in the settings means to reach that one, wherever it is; a redirect to another host does not.
	allow := append(slices.Clone(s.Allow), strings.Trim(base.Hostname(), "[]")+":"+port)
	if strings.Contains(base.Hostname(), ":") {
		allow[len(allow)-1] = "[" + base.Hostname() + "]:" + port
	}
	c, err := netx.New(netx.Policy{
		Allow: allow, MaxBytes: maxAnswer, Timeout: longestAnswer, Stall: s.Timeout, UserAgent: s.UserAgent, Idle: s.Concurrency,
	})
	if err != nil {
		return nil, err
	}
	return &server{Server: s, base: base, http: c}, nil
}

// at is the address of a path of OpenAI's interface.
func (s *server) at(p string) string { return s.base.String() + p }

// root is the address of a path beside that interface: of what stands before the /v1.
func (s *server) root(p string) string {
	u := *s.base
	if path.Base(u.Path) == "v1" {
		u.Path = strings.TrimRight(path.Dir(u.Path), "/.")
	}
	return u.String() + p
}
