package llama

import "unsafe"

// The C types that appear in signatures. Pointers to opaque structs are plain addresses.
type (
	// Token is llama_token, an index into the vocabulary.
	Token = int32
	// SeqID is llama_seq_id.
	SeqID = int32
	// Pos is llama_pos.
	Pos = int32
)

// ModelParams mirrors struct llama_model_params.
type ModelParams struct {
	Devices              uintptr
	TensorBuftOverrides  uintptr
	NGPULayers           int32
	SplitMode            int32
	LoadMode             int32
	LazyMode             int32
	MainGPU              int32
	_                    [4]byte
	TensorSplit          uintptr
	ProgressCallback     uintptr
	ProgressCallbackData uintptr
	KVOverrides          uintptr
	VocabOnly            bool
	CheckTensors         bool
	UseExtraBufts        bool
	NoHost               bool
	NoAlloc              bool
	LoadMTP              bool
	_                    [2]byte
}

// ContextParams mirrors struct llama_context_params.
type ContextParams struct {
	NCtx              uint32
	NBatch            uint32
	NUbatch           uint32
	NSeqMax           uint32
	NRsSeq            uint32
	NOutputsMax       uint32
	NOutputsMaxPerSeq uint32
	NThreads          int32
	NThreadsBatch     int32
	CtxType           int32
	RopeScalingType   int32
	PoolingType       int32
	AttentionType     int32
	FlashAttnType     int32
	RopeFreqBase      float32
	RopeFreqScale     float32
	YarnExtFactor     float32
	YarnAttnFactor    float32
	YarnBetaFast      float32
	YarnBetaSlow      float32
	YarnOrigCtx       uint32
	DefragThold       float32
	CbEval            uintptr
	CbEvalUserData    uintptr
	TypeK             int32
	TypeV             int32
	AbortCallback     uintptr
	AbortCallbackData uintptr
	Embeddings        bool
	OffloadKQV        bool
	NoPerf            bool
	OpOffload         bool
	SWAFull           bool
	KVUnified         bool
	_                 [2]byte
	Samplers          uintptr
	NSamplers         uint64
	CtxOther          uintptr
}

// cBatch mirrors struct llama_batch.
type cBatch struct {
	NTokens int32
	_       [4]byte
	Token   *Token
	Embd    uintptr
	Pos     *Pos
	NSeqID  *int32
	SeqID   unsafe.Pointer // llama_seq_id **
	Logits  *int8
}

// TokenData mirrors llama_token_data.
type TokenData struct {
	ID    Token
	Logit float32
	P     float32
}

// cTokenDataArray mirrors llama_token_data_array.
type cTokenDataArray struct {
	Data     *TokenData
	Size     uint64
	Selected int64
	Sorted   bool
	_        [7]byte
}

// cQuantizeParams mirrors struct llama_model_quantize_params.
type cQuantizeParams struct {
	NThread            int32
	FType              int32
	OutputTensorType   int32
	TokenEmbeddingType int32
	AllowRequantize    bool
	QuantizeOutput     bool
	OnlyCopy           bool
	Pure               bool
	KeepSplit          bool
	DryRun             bool
	_                  [2]byte
	IMatrix            uintptr
	KVOverrides        uintptr
	TTOverrides        uintptr
	PruneLayers        uintptr
	MaxBufSize         uint64
}

// maxThreads is GGML_MAX_N_THREADS.
const maxThreads = 512

// cThreadPoolParams mirrors struct ggml_threadpool_params.
type cThreadPoolParams struct {
	CPUMask   [maxThreads]bool
	NThreads  int32
	Prio      int32
	Poll      uint32
	StrictCPU bool
	Paused    bool
	_         [2]byte
}

// poolFunctions are in the backend of the processor, which is asked for them by name.
type poolFunctions struct {
	New  func(p *cThreadPoolParams) uintptr `c:"ggml_threadpool_new"`
	Free func(pool uintptr)                 `c:"ggml_threadpool_free"`
}

// cDevProps mirrors struct ggml_backend_dev_props.
type cDevProps struct {
	Name        *byte
	Description *byte
	MemoryFree  uint64
	MemoryTotal uint64
	Type        int32
	_           [4]byte
	DeviceID    *byte
	Caps        cDevCaps
	_           [3]byte
}

// cDevCaps mirrors struct ggml_backend_dev_caps.
type cDevCaps struct{ Async, HostBuffer, BufferFromHostPtr, Events, MmapSupport bool }

// cInitParams mirrors struct ggml_init_params.
type cInitParams struct {
	MemSize   uint64
	MemBuffer uintptr
	NoAlloc   bool
	_         [7]byte
}

// functions holds one Go function per C function that the product calls. The tag is the C name; Open fills the fields,
// and the auditor in native/abicheck compares each field's type with the prototype in the headers of the pinned release.
type functions struct {
	BackendLoadAll func(dir string)                       `c:"ggml_backend_load_all_from_path"`
	DevCount       func() uint64                          `c:"ggml_backend_dev_count"`
	BackendLoad    func(path string) uintptr              `c:"ggml_backend_load"`
	DevGet         func(i uint64) uintptr                 `c:"ggml_backend_dev_get"`
	DevProps       func(dev uintptr, p *cDevProps)        `c:"ggml_backend_dev_get_props"`
	DevReg         func(dev uintptr) uintptr              `c:"ggml_backend_dev_backend_reg"`
	DevInit        func(dev, params uintptr) uintptr      `c:"ggml_backend_dev_init"`
	BackendFree    func(backend uintptr)                  `c:"ggml_backend_free"`
	RegName        func(reg uintptr) string               `c:"ggml_backend_reg_name"`
	RegByName      func(name string) uintptr              `c:"ggml_backend_reg_by_name"`
	RegProcAddress func(reg uintptr, name string) uintptr `c:"ggml_backend_reg_get_proc_address"`

	Init           func(p cInitParams) uintptr                              `c:"ggml_init"`
	Free           func(ctx uintptr)                                        `c:"ggml_free"`
	NewTensor2D    func(ctx uintptr, typ int32, ne0, ne1 int64) uintptr     `c:"ggml_new_tensor_2d"`
	MulMat         func(ctx, a, b uintptr) uintptr                          `c:"ggml_mul_mat"`
	NewGraph       func(ctx uintptr) uintptr                                `c:"ggml_new_graph"`
	GraphExpand    func(graph, tensor uintptr)                              `c:"ggml_build_forward_expand"`
	AllocTensors   func(ctx, backend uintptr) uintptr                       `c:"ggml_backend_alloc_ctx_tensors"`
	BufferFree     func(buf uintptr)                                        `c:"ggml_backend_buffer_free"`
	TensorSet      func(tensor uintptr, data *float32, offset, size uint64) `c:"ggml_backend_tensor_set"`
	TensorGet      func(tensor uintptr, data *float32, offset, size uint64) `c:"ggml_backend_tensor_get"`
	GraphCompute   func(backend, graph uintptr) int32                       `c:"ggml_backend_graph_compute"`
	TensorOverhead func() uint64                                            `c:"ggml_tensor_overhead"`
	GraphOverhead  func() uint64                                            `c:"ggml_graph_overhead"`

	Version              func() string          `c:"llama_version"`
	BackendInit          func()                 `c:"llama_backend_init"`
	LogSet               func(cb, data uintptr) `c:"llama_log_set"`
	ModelDefaultParams   func() ModelParams     `c:"llama_model_default_params"`
	ContextDefaultParams func() ContextParams   `c:"llama_context_default_params"`

	ModelQuantize         func(in, out string, p *cQuantizeParams) uint32 `c:"llama_model_quantize"`
	QuantizeDefaultParams func() cQuantizeParams                          `c:"llama_model_quantize_default_params"`

	ModelLoad       func(path string, p ModelParams) uintptr `c:"llama_model_load_from_file"`
	ModelFree       func(model uintptr)                      `c:"llama_model_free"`
	ModelVocab      func(model uintptr) uintptr              `c:"llama_model_get_vocab"`
	ModelNCtxTrain  func(model uintptr) int32                `c:"llama_model_n_ctx_train"`
	ModelNEmbdOut   func(model uintptr) int32                `c:"llama_model_n_embd_out"`
	ModelNClsOut    func(model uintptr) uint32               `c:"llama_model_n_cls_out"`
	ModelNLayer     func(model uintptr) int32                `c:"llama_model_n_layer"`
	ModelSize       func(model uintptr) uint64               `c:"llama_model_size"`
	ModelHasEncoder func(model uintptr) bool                 `c:"llama_model_has_encoder"`
	ModelHasDecoder func(model uintptr) bool                 `c:"llama_model_has_decoder"`

	ContextInit      func(model uintptr, p ContextParams) uintptr `c:"llama_init_from_model"`
	ContextFree      func(ctx uintptr)                            `c:"llama_free"`
	ContextNCtxSeq   func(ctx uintptr) uint32                     `c:"llama_n_ctx_seq"`
	ContextNBatch    func(ctx uintptr) uint32                     `c:"llama_n_batch"`
	ContextNSeqMax   func(ctx uintptr) uint32                     `c:"llama_n_seq_max"`
	ContextMemory    func(ctx uintptr) uintptr                    `c:"llama_get_memory"`
	PoolingType      func(ctx uintptr) int32                      `c:"llama_pooling_type"`
	AttachThreadPool func(ctx, pool, poolBatch uintptr)           `c:"llama_attach_threadpool"`
	SetNThreads      func(ctx uintptr, n, nBatch int32)           `c:"llama_set_n_threads"`
	SetAbortCallback func(ctx, cb, data uintptr)                  `c:"llama_set_abort_callback"`

	MemoryClear     func(mem uintptr, data bool)                  `c:"llama_memory_clear"`
	MemorySeqRm     func(mem uintptr, seq SeqID, p0, p1 Pos) bool `c:"llama_memory_seq_rm"`
	MemorySeqPosMax func(mem uintptr, seq SeqID) Pos              `c:"llama_memory_seq_pos_max"`

	StateSeqSize func(ctx uintptr, seq SeqID) uint64                         `c:"llama_state_seq_get_size"`
	StateSeqGet  func(ctx uintptr, dst *byte, size uint64, seq SeqID) uint64 `c:"llama_state_seq_get_data"`
	StateSeqSet  func(ctx uintptr, src *byte, size uint64, seq SeqID) uint64 `c:"llama_state_seq_set_data"`

	Decode        func(ctx uintptr, b cBatch) int32     `c:"llama_decode"`
	LogitsIth     func(ctx uintptr, i int32) *float32   `c:"llama_get_logits_ith"`
	EmbeddingsSeq func(ctx uintptr, seq SeqID) *float32 `c:"llama_get_embeddings_seq"`

	VocabNTokens func(vocab uintptr) int32           `c:"llama_vocab_n_tokens"`
	VocabText    func(vocab uintptr, t Token) string `c:"llama_vocab_get_text"`
	VocabAttr    func(vocab uintptr, t Token) int32  `c:"llama_vocab_get_attr"`
	VocabIsEOG   func(vocab uintptr, t Token) bool   `c:"llama_vocab_is_eog"`
	VocabBOS     func(vocab uintptr) Token           `c:"llama_vocab_bos"`
	VocabEOS     func(vocab uintptr) Token           `c:"llama_vocab_eos"`
	VocabSEP     func(vocab uintptr) Token           `c:"llama_vocab_sep"`
	VocabAddSEP  func(vocab uintptr) bool            `c:"llama_vocab_get_add_sep"`
	VocabAddBOS  func(vocab uintptr) bool            `c:"llama_vocab_get_add_bos"`
	VocabAddEOS  func(vocab uintptr) bool            `c:"llama_vocab_get_add_eos"`

	Tokenize     func(vocab uintptr, text *byte, textLen int32, tokens *Token, nMax int32, addSpecial, parseSpecial bool) int32 `c:"llama_tokenize"`
	TokenToPiece func(vocab uintptr, t Token, buf *byte, length, lstrip int32, special bool) int32                              `c:"llama_token_to_piece"`

	SamplerInitGrammar func(vocab uintptr, grammar, root string) uintptr `c:"llama_sampler_init_grammar"`
	SamplerApply       func(s uintptr, arr *cTokenDataArray)             `c:"llama_sampler_apply"`
	SamplerAccept      func(s uintptr, t Token)                          `c:"llama_sampler_accept"`
	SamplerFree        func(s uintptr)                                   `c:"llama_sampler_free"`
}

// The values of the C enums that the product uses.
const (
	PoolingMean = 1
	PoolingRank = 4

	FlashAttnAuto = -1
	FlashAttnOff  = 0

	attrUnknown = 1 << 0
	attrControl = 1 << 3
	attrLStrip  = 1 << 7
	attrRStrip  = 1 << 8
)
