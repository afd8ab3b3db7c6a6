package llg

import "unsafe"

// parserLimits mirrors struct LlgParserLimits.
type parserLimits struct {
	MaxItemsInRow          uint64
	InitialLexerFuel       uint64
	StepLexerFuel          uint64
	StepMaxItems           uint64
	MaxLexerStates         uint64
	MaxGrammarSize         uint64
	PrecomputeLargeLexemes bool
	VerboseErrors          bool
	_                      [6]byte
}

// constraintInit mirrors struct LlgConstraintInit.
type constraintInit struct {
	Tokenizer      uintptr
	LogBufferLevel uint32
	LogStderrLevel uint32
	FFTokensOK     bool
	BacktrackOK    bool
	_              [6]byte
	Limits         parserLimits
}

// tokenizerInit mirrors struct LlgTokenizerInitV2.
type tokenizerInit struct {
	StructSize        uint64
	VocabSize         uint32
	TokEOS            uint32
	TokenLens         unsafe.Pointer // const uint32_t *
	TokenBytes        unsafe.Pointer // const uint8_t *
	TokenizerJSON     uintptr
	AssumesString     bool
	_                 [7]byte
	TokenizeFn        uintptr
	ApproximateGreedy bool
	_                 [7]byte
	UserData          uintptr
	Slices            uintptr
	TokEOSExtra       unsafe.Pointer // const uint32_t *
	TokEOSExtraCount  uint32
	_                 [4]byte
}

// functions holds one Go function per C function that the product calls. The tag is the C name; Open fills the fields, and
// the auditor in native/abicheck compares each field's type with the prototype in the header of the pinned release.
type functions struct {
	Version func() string `c:"llg_get_version"`

	NewTokenizer  func(init *tokenizerInit, message *byte, size uint64) uintptr `c:"llg_new_tokenizer_v2"`
	FreeTokenizer func(tok uintptr)                                             `c:"llg_free_tokenizer"`

	InitDefaults func(init *constraintInit, tok uintptr)                      `c:"llg_constraint_init_set_defaults"`
	NewMatcher   func(init *constraintInit, kind string, data string) uintptr `c:"llg_new_matcher"`
	CloneMatcher func(m uintptr) uintptr                                      `c:"llg_clone_matcher"`
	FreeMatcher  func(m uintptr)                                              `c:"llg_free_matcher"`
	MatcherError func(m uintptr) string                                       `c:"llg_matcher_get_error"`

	MaskBytes func(m uintptr) uint64                             `c:"llg_matcher_get_mask_byte_size"`
	MaskInto  func(m uintptr, dst *uint32, size uint64) int32    `c:"llg_matcher_compute_mask_into"`
	Consume   func(m uintptr, tokens *uint32, n uint64) int32    `c:"llg_matcher_consume_tokens"`
	Validate  func(m uintptr, tokens *uint32, n uint64) int32    `c:"llg_matcher_validate_tokens"`
	FastFwd   func(m uintptr, output *uint32, size uint64) int32 `c:"llg_matcher_compute_ff_tokens"`
	Rollback  func(m uintptr, n uint64) int32                    `c:"llg_matcher_rollback"`
	Accepting func(m uintptr) bool                               `c:"llg_matcher_is_accepting"`
	Stopped   func(m uintptr) bool                               `c:"llg_matcher_is_stopped"`
}
