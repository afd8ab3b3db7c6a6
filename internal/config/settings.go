// Package config makes the settings: one struct, filled from defaults, files, environment and command line, checked
// once. It is the only reader of the environment and of settings files. It keeps nothing, watches nothing, and knows no
// feature: what a setting does is its owner's business.
package config

import (
	"time"

	"ashatai/internal/core"
)

// Size is a number of bytes; 0 is "auto" where a setting allows that.
type Size int64

// Settings are all settings. Tags: key is the name, doc the explanation, min and max the bounds, enum the choices,
// pattern the form of a string, secret that it is never shown (true: it may name a sealed credential; open: it is needed before
// those can be opened), reload that a running server takes a change over at SIGHUP
// (in a section's own tag: all of it). A zero in a model's section means that the general setting counts.
type Settings struct {
	Server          Server           `key:"server" doc:"The HTTP server."`
	DefaultModel    string           `key:"default_model" doc:"The model that answers when a request names none; empty: the first installed one."`
	ModelsDirectory string           `key:"models_directory" doc:"Folder whose model files are served besides what was pulled; relative to the home."`
	Preload         []string         `key:"preload" doc:"Models that are loaded at the start."`
	Models          map[string]Model `key:"models" reload:"true" doc:"Settings of single models, by name. What says how a model is loaded counts from its next load on."`
	Fleet           Fleet            `key:"fleet" doc:"Loading, queueing and memory."`
	Engine          Engine           `key:"engine" doc:"How models run, unless their own section says otherwise."`
	Runtime         Runtime          `key:"runtime" doc:"Which runtime serves."`
	Worker          Worker           `key:"worker" doc:"Limits of the processes that hold models."`
	Logs            Logs             `key:"logs" doc:"The log."`
	Telemetry       Telemetry        `key:"telemetry" doc:"OpenTelemetry traces of requests to models: how long each waited, read its prompt and answered, and nothing of what was written."`
	Network         Network          `key:"network" doc:"What the server itself may reach."`
	Pull            Pull             `key:"pull" doc:"Where models come from that are pulled by name."`
	Database        Database         `key:"database" doc:"The server's own database."`
	Blobs           Blobs            `key:"blobs" doc:"Where the files of pulled models are kept. Without a bucket that is the home alone. See docs/operations.md."`
	Storage         Storage          `key:"storage" doc:"What callers ask the server to store: chats, responses, conversations."`
	Jobs            Jobs             `key:"jobs" doc:"Work that outlives the request that asked for it, such as pulls."`
	Accounts        Accounts         `key:"accounts" doc:"Who may use the server. Without accounts that is whoever is on its machine."`
	Auth            Auth             `key:"auth" doc:"Ways to log in besides passwords."`
	Secrets         Secrets          `key:"secrets" doc:"The key that signs the record of acts and seals credentials."`
	RateLimit       RateLimit        `key:"rate_limit" reload:"true" doc:"How many requests one caller may send."`
	APIKey          APIKey           `key:"api_key" reload:"true" doc:"Paths that need credentials also while there are no accounts."`
	TLS             TLS              `key:"tls" reload:"true" doc:"The server's own certificate. With both files it speaks HTTPS and HTTP/2 at server.addr, and nothing else. At SIGHUP it reads the files again; turning TLS on or off needs a restart."`
	HTTPS           HTTPS            `key:"https" doc:"What older servers were told of TLS. Not read: see tls."`
	GPU             GPU              `key:"gpu" doc:"Devices besides the processor: graphics cards. See docs/gpu.md."`
	FineTuning      FineTuning       `key:"fine_tuning" doc:"Fine-tuning. Not in force in this version."`
	Features        Features         `key:"features" reload:"true" doc:"For whom the server's features are open: on, off, or roles with commas between them. Empty: what an admin said with PUT /api/v1/flags, else by the feature's phase: off in alpha, on in beta and stable."`

	Remotes map[string]Remote `key:"remotes" kind:"remote" doc:"Servers elsewhere whose models this server offers too, by a name of yours: vLLM, SGLang, TGI, llama-server, another ASHATAI."`

	Home    string   `key:"-"` // absolute; where data lives
	Notices []string `key:"-"` // sentences about settings that were read and are not in force, for the start to log

	from   map[string]origin `key:"-"` // of what was said, by path
	sealed map[string]string `key:"-"` // names of the credentials that Unseal put in, by path
}

// Server settings.
type Server struct {
	Addr           string        `key:"addr" pattern:"addr" doc:"Address to listen on, host:port."`
	InsecureNoAuth bool          `key:"insecure_no_auth" doc:"Answer callers from other machines although there are no accounts. Everybody who reaches the port may do everything but manage accounts."`
	AllowedHosts   []string      `key:"allowed_hosts" reload:"true" doc:"Names besides the local ones that a request's Host header may carry, as behind a reverse proxy."`
	DrainTimeout   time.Duration `key:"drain_timeout" min:"0s" max:"1h" doc:"How long running requests may go on when the server stops."`
	MaxBody        Size          `key:"max_body" reload:"true" min:"1KiB" max:"1GiB" doc:"Largest request body where a call has no limit of its own."`
	RequestTimeout time.Duration `key:"request_timeout" min:"1s" max:"24h" doc:"The longest a generating request may take."`
	MaxRequests    int           `key:"max_requests" reload:"true" min:"1" max:"65536" doc:"Requests answered at once, health calls not counted."`
	MaxPerCaller   int           `key:"max_requests_per_caller" reload:"true" min:"1" max:"65536" doc:"Those of one account, or of one address that has none. Callers on this machine are not bound by it while there are no accounts."`
	TrustedProxies []string      `key:"trusted_proxies" reload:"true" pattern:"prefix" doc:"Addresses and networks (CIDR) of reverse proxies, whose X-Forwarded-For says the address of a caller, and whose X-Forwarded-Proto whether that one speaks TLS."`
}

// Model settings of one model.
type Model struct {
	Context     int            `key:"context" min:"0" max:"16777216" doc:"Tokens per sequence; 0: as engine.context."`
	Sequences   int            `key:"sequences" min:"0" max:"256" doc:"Sequences served at once; 0: as engine.sequences."`
	Threads     int            `key:"threads" min:"0" max:"1024" doc:"CPU threads; 0: as engine.threads."`
	KeepAlive   *time.Duration `key:"keep_alive" min:"0s" max:"8760h" doc:"Idle time until the model is unloaded; absent: as fleet.keep_alive."`
	Weights     string         `key:"weights" pattern:"own_weights" doc:"As engine.weights, for this model; empty: as there."`
	Pinned      bool           `key:"pinned" doc:"Never unload the model to save memory or because it is idle."`
	DType       string         `key:"dtype" enum:",float32,bfloat16" doc:"Type of number that the runtime pytorch computes in; empty: that of the weights, float32 for float16."`
	Trusted     bool           `key:"trusted" doc:"Load the model although its file can run code of its maker: a program of torch.export, or TorchScript."`
	Runtime     string         `key:"runtime" pattern:"runtime" doc:"Runtime that loads the model; empty: as runtime.type."`
	Aliases     []string       `key:"aliases" pattern:"model" doc:"Other names that requests may use for the model, such as gpt-4o; none is the name of a model or of two of them."`
	System      string         `key:"system" doc:"System prompt where a caller gives none; empty: the model's own."`
	Template    string         `key:"template" doc:"Chat template, in Jinja; empty: the model's own."`
	Stop        []string       `key:"stop" doc:"Strings that end every answer, besides the model's own and the caller's."`
	GPUPolicy   string         `key:"gpu_policy" enum:",cpu,prefer-gpu,require-gpu" doc:"As gpu.policy, for this model; empty: as there."`
	Devices     []string       `key:"devices" pattern:"device" doc:"Devices of the model, as vulkan0; several share its layers. Empty: as gpu says."`
	GPULayers   string         `key:"gpu_layers" pattern:"gpu_layers" doc:"Layers on devices, the output counted: a number, or auto for all that fit; empty: as gpu.layer_offload."`
	Split       string         `key:"split" enum:",layer,row" doc:"How several devices share the model: whole layers, or the rows of each matrix; empty: layer."`
	TensorSplit string         `key:"tensor_split" pattern:"tensor_split" doc:"Parts of the devices, as 3,1; empty: by what they have free."`
	Engine      ModelEngine    `key:"engine" doc:"How the model runs, where it is not as engine says."`
	Sampling    Sampling       `key:"sampling" doc:"Sampling where a request does not say."`

	Replicas []string `key:"replicas" pattern:"replica" doc:"Places that serve the model, each a line of words: remote=NAME model=THEIRS; or runtime=NAME copies=N, or model=OTHER, for this machine; with weight=N, and vocabulary= and template= where those cannot be asked. Empty: one, here."`
	Balance  string   `key:"balance" enum:",best,round-robin,weighted,least-work,prefix" doc:"How requests are spread over the replicas; empty: best, by a score."`
}

// Remote is one server elsewhere.
type Remote struct {
	URL         string        `key:"url" pattern:"url" doc:"Address of its OpenAI interface, as http://10.0.0.5:8000/v1. This host may be reached although it is private."`
	Kind        string        `key:"kind" enum:",auto,openai,llamacpp,vllm,sglang,ashatai" doc:"What sort of server it is; empty or auto: asked when it is used."`
	Key         string        `key:"key" secret:"true" pattern:"secret" doc:"Credential that is sent to it, and to nobody else; better sealed, in the environment as ASHATAI__REMOTES__NAME__KEY, or in a file."`
	KeyFile     string        `key:"key_file" doc:"File that holds the credential; it is read for every request, so a new one counts at once."`
	Models      []string      `key:"models" doc:"Its models that are offered, by its own names for them; empty: all that it lists."`
	Timeout     time.Duration `key:"timeout" min:"0s" max:"1h" doc:"The longest it may say nothing; 0s: 2m."`
	Concurrency int           `key:"concurrency" min:"0" max:"4096" doc:"Requests that it gets at once for one model; 0: 16."`
	Retries     int           `key:"retries" min:"-1" max:"10" doc:"How often a request is sent again of which nothing was answered; 0: 2, -1: never."`
}

// ModelEngine is the part of Engine that one model can have for itself; absent is what Engine says.
type ModelEngine struct {
	Batch       *int           `key:"batch" min:"0" max:"65536" doc:"As engine.batch."`
	MaxGap      *time.Duration `key:"max_gap" min:"0s" max:"1m" doc:"As engine.max_gap."`
	Repeatable  *bool          `key:"repeatable" doc:"As engine.repeatable."`
	Speculation *bool          `key:"speculation" doc:"As engine.speculation."`
	KVType      string         `key:"kv_type" pattern:"own_kv_type" doc:"As engine.kv_type; empty: as there."`
	KVTokens    *int           `key:"kv_tokens" min:"0" max:"1073741824" doc:"As engine.kv_tokens."`
	CacheMemory *Size          `key:"cache_memory" min:"0B" max:"64TiB" doc:"As engine.cache_memory."`
	CacheDisk   *Size          `key:"cache_disk" min:"0B" max:"64TiB" doc:"As engine.cache_disk."`
	CacheAge    *time.Duration `key:"cache_age" min:"0s" max:"87600h" doc:"As engine.cache_age."`
}

// Over is a model's engine settings over the general ones.
func (m ModelEngine) Over(e Engine) Engine {
	set(&e.Batch, m.Batch)
	set(&e.MaxGap, m.MaxGap)
	set(&e.Repeatable, m.Repeatable)
	set(&e.Speculation, m.Speculation)
	set(&e.KVTokens, m.KVTokens)
	set(&e.CacheMemory, m.CacheMemory)
	set(&e.CacheDisk, m.CacheDisk)
	set(&e.CacheAge, m.CacheAge)
	if m.KVType != "" {
		e.KVType = m.KVType
	}
	return e
}

func set[T any](dst *T, v *T) {
	if v != nil {
		*dst = *v
	}
}

// Sampling defaults of one model; absent is the model's own default.
type Sampling struct {
	Temperature      *float64 `key:"temperature" min:"0" max:"5" doc:"0 always takes the likeliest token."`
	TopK             *int     `key:"top_k" min:"0" max:"1000000" doc:"Keep the likeliest k tokens; 0 is off."`
	TopP             *float64 `key:"top_p" min:"0.000001" max:"1" doc:"Keep tokens up to this total probability; 1 is off."`
	MinP             *float64 `key:"min_p" min:"0" max:"1" doc:"Keep tokens at least this likely against the likeliest; 0 is off."`
	TypicalP         *float64 `key:"typical_p" min:"0.000001" max:"1" doc:"Keep tokens of typical information; 1 is off."`
	RepeatPenalty    *float64 `key:"repeat_penalty" min:"0.000001" max:"10" doc:"Divides what was said before; 1 is off."`
	RepeatLastN      *int     `key:"repeat_last_n" min:"-1" max:"1000000" doc:"How many tokens back repeat_penalty looks; -1 is the whole context."`
	PresencePenalty  *float64 `key:"presence_penalty" min:"-2" max:"2" doc:"Against tokens that occurred; 0 is off."`
	FrequencyPenalty *float64 `key:"frequency_penalty" min:"-2" max:"2" doc:"Against tokens by how often they occurred; 0 is off."`
	Seed             *int64   `key:"seed" min:"-9223372036854775808" max:"9223372036854775807" doc:"Makes answers repeat; absent: chosen at random."`
}

// Fleet settings.
type Fleet struct {
	MemoryBudget    Size          `key:"memory_budget" min:"64MiB" max:"64TiB" auto:"true" doc:"Memory for all models together; auto: what the machine can spare."`
	MaxQueue        int           `key:"max_queue" min:"1" max:"100000" doc:"Requests that may wait for one model."`
	MaxQueuedTokens int           `key:"max_queued_tokens" min:"1024" max:"1000000000" doc:"Tokens that the waiting requests of one model may ask for."`
	KeepAlive       time.Duration `key:"keep_alive" min:"0s" max:"8760h" doc:"Idle time until a model is unloaded."`
	LoadTimeout     time.Duration `key:"load_timeout" min:"1s" max:"24h" doc:"The longest a load may take."`
}

// Engine settings.
type Engine struct {
	Context   int `key:"context" min:"64" max:"16777216" doc:"Tokens per sequence at most; a model's own limit and the memory can make it less."`
	Sequences int `key:"sequences" min:"0" max:"256" doc:"Sequences served at once; 0: chosen by the runtime."`
	Batch     int `key:"batch" min:"0" max:"65536" doc:"Tokens computed in one step; 0: chosen by the runtime."`
	Threads   int `key:"threads" min:"0" max:"1024" doc:"CPU threads of one model, never more than the process has cores; 0: all of them. Models that compute at the same time share the cores."`
	Prefill   int `key:"prefill_threads" min:"0" max:"1024" doc:"CPU threads for prompts, where that is better than as many as for an answer's tokens; 0: as many."`

	Weights string `key:"weights" pattern:"weights" doc:"Which weights are loaded: as-is for the model's own file; auto for what ashatai optimize found to be the fastest of nearly the same; or a type that it kept, as q8_0."`

	MaxGap      time.Duration `key:"max_gap" min:"0s" max:"1m" doc:"The longest time between two tokens of an answer that another request's prompt may cause, at least 20ms; 0s: chosen by what the model costs on this machine."`
	Repeatable  bool          `key:"repeatable" doc:"Compute the same numbers for a request whatever else runs and whatever is cached. Slower: no flash attention, no speculation, answers are not reused."`
	Speculation bool          `key:"speculation" doc:"Guess tokens of text that repeats and check several at once, where that is faster."`
	KVType      string        `key:"kv_type" pattern:"kv_type" doc:"How keys and values are stored: f16, or q8_0 in half the memory."`
	KVTokens    int           `key:"kv_tokens" min:"0" max:"1073741824" doc:"Tokens of one KV space that all sequences share; when it is full the youngest request pauses. 0: each sequence has a space of its own."`
	CacheMemory Size          `key:"cache_memory" min:"0B" max:"64TiB" doc:"Memory of one model for computed prompts that no sequence holds; 0B: none."`
	CacheDisk   Size          `key:"cache_disk" min:"0B" max:"64TiB" doc:"Disk space of one model for them, which survives a restart; 0B: none."`
	CacheAge    time.Duration `key:"cache_age" min:"0s" max:"87600h" doc:"Computed prompts older than this are deleted; 0s: only space decides."`
}

// Runtime choice.
type Runtime struct {
	Type string `key:"type" pattern:"runtime" doc:"Runtime that loads models: llamacpp, onnx, pytorch, tensorflow, or mock for tests; empty: by the model's format."`
}

// Worker limits.
type Worker struct {
	MemoryLimit Size `key:"memory_limit" min:"64MiB" max:"64TiB" auto:"true" doc:"Memory of one worker process; auto: what its model needs and some more."`
}

// Logs settings.
type Logs struct {
	Level  string `key:"level" reload:"true" enum:"debug,info,warn,error" doc:"The least serious line that is written."`
	Format string `key:"format" enum:"auto,text,json" doc:"auto: text on a terminal, else one JSON object per line."`

	File    string        `key:"file" doc:"File that the log is written to in place of standard error; relative to the home. Empty: standard error, which systemd and containers keep. It is set aside under its name and the time when it is full or a day old."`
	MaxSize Size          `key:"max_size" min:"64KiB" max:"64GiB" doc:"Bytes of one such file."`
	Keep    int           `key:"keep" min:"0" max:"10000" doc:"How many that were set aside stay."`
	MaxAge  time.Duration `key:"max_age" min:"0s" max:"87600h" doc:"How long one that was set aside stays; 0s: until there are too many."`
}

// Telemetry settings. The variables of OpenTelemetry's own name them too; ASHATAI__TELEMETRY__… wins.
type Telemetry struct {
	Endpoint string `key:"endpoint" pattern:"url" doc:"Address of a collector that takes traces by OTLP/HTTP, as http://127.0.0.1:4318, to which /v1/traces is added; also OTEL_EXPORTER_OTLP_ENDPOINT. Empty: no traces are made. This host may be reached although it is private."`
	Headers  string `key:"headers" secret:"true" doc:"What is sent along, name=value with commas between them and other signs escaped as in URLs; also OTEL_EXPORTER_OTLP_HEADERS."`
	Service  string `key:"service" doc:"Name of this server in traces; also OTEL_SERVICE_NAME."`
}

// Network settings.
type Network struct {
	Allow []string `key:"allow" reload:"true" pattern:"network" doc:"Hosts (host or host:port) and networks (CIDR) that pulls may reach although they are private."`
}

// Pull settings.
type Pull struct {
	Hub           string `key:"hub" doc:"Address of the hub that names such as hf:owner/repo are looked up in; empty: such names are refused."`
	HubToken      string `key:"hub_token" secret:"true" doc:"Token that is sent to the hub, and to nobody else."`
	Registry      string `key:"registry" doc:"Address of the registry that names without a host are looked up in; empty: such names are refused."`
	RegistryToken string `key:"registry_token" secret:"true" doc:"Token, or user:password, that is sent to this registry, and to nobody else."`
	Streams       int    `key:"streams" min:"1" max:"16" doc:"Parts of one file that are downloaded at once, where the server allows it."`
}

// Database settings.
type Database struct {
	Path string `key:"path" doc:"The database file; relative to the home. Not used where database.url is set."`
	URL  string `key:"url" secret:"open" pattern:"postgres" doc:"Address of a PostgreSQL database that is used in place of the file, as postgres://user:password@host:5432/name; empty: the file. A password can also lie where PostgreSQL's own programs look for it, such as ~/.pgpass."`
}

// Storage settings.
type Storage struct {
	Retention time.Duration `key:"retention" reload:"true" min:"0s" max:"87600h" doc:"How long a stored chat, response or conversation stays after its last change; 0s: for ever."`
}

// Jobs settings.
type Jobs struct {
	Retention time.Duration `key:"retention" min:"0s" max:"87600h" doc:"How long a job and its log stay after its end; 0s: for ever."`
}

// Accounts settings.
type Accounts struct {
	Registration bool `key:"registration" reload:"true" doc:"Let anybody who reaches the server make an account with the role user, once there is an admin."`
}

// Secrets settings.
type Secrets struct {
	KeyFile string `key:"key_file" file:"true" doc:"File with the server's key, which only its owner may read; relative to the home. One that is missing is made."`
	Key     string `key:"key" secret:"open" doc:"The key itself in place of the file, 64 hexadecimal digits; meant for the environment, ASHATAI__SECRETS__KEY."`
}

// File is the absolute path of the file with the server's key, in a home; empty where the key itself is given.
func (s Secrets) File(home string) string {
	if s.Key != "" {
		return ""
	}
	return under(home, s.KeyFile)
}

// RateLimit settings.
type RateLimit struct {
	Enabled           *bool `key:"enabled" doc:"Whether the rates below are in force; absent: for everybody but callers on this machine while there are no accounts. true: for those too."`
	RequestsPerMinute int   `key:"requests_per_minute" min:"1" max:"1000000" doc:"Requests of one caller per minute."`
	RequestsPerHour   int   `key:"requests_per_hour" min:"1" max:"60000000" doc:"Requests of one caller per hour."`
}

// APIKey settings.
type APIKey struct {
	ProtectedPaths []string `key:"protected_paths" doc:"Path prefixes that need credentials also while there are no accounts. With accounts every call but health and login does."`
	ExemptPaths    []string `key:"exempt_paths" doc:"Path prefixes among the protected ones that do not. They open nothing that needs credentials because there are accounts."`
}

// TLS settings.
type TLS struct {
	Cert string `key:"cert" doc:"File with the certificate and its chain, PEM; relative to the home."`
	Key  string `key:"key" file:"true" doc:"File with the certificate's key, PEM, without a password; relative to the home."`
}

// On reports whether the server speaks TLS.
func (t TLS) On() bool { return t.Cert != "" }

// HTTPS settings.
type HTTPS struct {
	Enabled             bool   `key:"enabled" doc:"True stops the start with what to set instead: tls.cert and tls.key."`
	Port                int    `key:"port" min:"1" max:"65535" doc:"Port of the TLS listener."`
	CertificatePath     string `key:"certificate_path" doc:"Certificate file."`
	CertificatePassword string `key:"certificate_password" secret:"true" doc:"Its password."`
}

// GPU settings.
type GPU struct {
	Enabled      bool     `key:"enabled" doc:"Whether models use a device where one can be used, and the processor else: the policy prefer-gpu."`
	Policy       string   `key:"policy" enum:",cpu,prefer-gpu,require-gpu" doc:"Where models run: cpu; prefer-gpu, with the processor where no device serves; require-gpu, which refuses then. Empty: as enabled says."`
	Backend      string   `key:"backend" enum:",auto,cuda,vulkan,rocm,metal,cpu" doc:"Which interface to use."`
	DeviceID     int      `key:"device_id" min:"0" max:"1024" doc:"Which device of the backend; where no backend is named, 0 is the best one, 1 the next."`
	LayerOffload int      `key:"layer_offload" min:"-1" max:"10000" doc:"Layers on the device, the output counted; 0 and -1: all that fit."`
	BatchSize    int      `key:"batch_size" min:"1" max:"65536" doc:"Tokens computed in one step where a device computes and engine.batch says nothing."`
	MemoryLimits []string `key:"memory_limits" pattern:"device_limit" doc:"Most memory that all models together take of a device, as vulkan0=4GiB; of others, what is free."`
	Library      string   `key:"library" doc:"File of a build of your own of ggml's library for devices, as /opt/llama/libggml-hip.so; its folder may hold what it needs. It is native code that is not compared with any sum."`
	Environment  []string `key:"environment" pattern:"gpu_variable" doc:"Variables that the processes on devices get, as CUDA_VISIBLE_DEVICES=0 or LD_LIBRARY_PATH=/opt/cuda/lib64; the server's own are not passed on."`
}

// FineTuning settings.
type FineTuning struct {
	Enabled             bool     `key:"enabled" doc:"Whether fine-tuning is offered."`
	MaxTrainingDataSize Size     `key:"max_training_data_size" min:"1KiB" max:"1TiB" doc:"Largest training file."`
	MaxEpochs           int      `key:"max_epochs" min:"1" max:"10000" doc:"Most epochs of one job."`
	MaxConcurrentJobs   int      `key:"max_concurrent_jobs" min:"1" max:"1000" doc:"Jobs at once."`
	AllowedUsers        []string `key:"allowed_users" doc:"Who may start jobs."`
}

// Default returns the settings of a server that nobody configured. Paths are still relative to a home.
func Default() *Settings {
	const mib = 1 << 20
	return &Settings{
		Server: Server{
			Addr: "127.0.0.1:7077", DrainTimeout: 30 * time.Second, MaxBody: 16 * mib,
			RequestTimeout: 10 * time.Minute, MaxRequests: 512, MaxPerCaller: 128,
		},
		ModelsDirectory: "models",
		Fleet:           Fleet{MaxQueue: 256, MaxQueuedTokens: 4 * mib, KeepAlive: 5 * time.Minute, LoadTimeout: 5 * time.Minute},
		Engine: Engine{
			Context: 8192, Weights: "as-is", Speculation: true, KVType: "f16", CacheMemory: 512 << 20, CacheDisk: 4 << 30, CacheAge: 7 * 24 * time.Hour,
		},
		Logs:      Logs{Level: "info", Format: "auto", MaxSize: 64 * mib, Keep: 7, MaxAge: 30 * 24 * time.Hour},
		Telemetry: Telemetry{Service: "ashatai"},
		Pull:      Pull{Streams: 4},
		Database:  Database{Path: "ashatai.db"},
		Blobs:     Blobs{Region: "us-east-1", PathStyle: true, Refresh: 30 * time.Second, Grace: 24 * time.Hour},
		Storage:   Storage{Retention: 30 * 24 * time.Hour},
		Jobs:      Jobs{Retention: 30 * 24 * time.Hour},
		Auth:      Auth{OIDC: OIDC{Label: "single sign-on", Scopes: []string{"openid", "profile", "email"}, NameClaim: "preferred_username", GroupsClaim: "groups", Role: string(core.AccountUser)}},
		Secrets:   Secrets{KeyFile: "server.key"},
		RateLimit: RateLimit{RequestsPerMinute: 600, RequestsPerHour: 20000},
		HTTPS:     HTTPS{Port: 7443},
		GPU:       GPU{BatchSize: 512},
		FineTuning: FineTuning{
			MaxTrainingDataSize: 100 * mib, MaxEpochs: 10, MaxConcurrentJobs: 1, AllowedUsers: []string{"admin"},
		},
	}
}
