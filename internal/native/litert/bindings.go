package litert

import "unsafe"

// handle is a pointer to one of the library's objects.
type handle uintptr

// status is a LiteRtStatus; 0 is success.
type status int32

// tensorType mirrors struct LiteRtRankedTensorType of release 2.3.0. The library writes it and reads it; Rank shares its word
// with a flag.
type tensorType struct {
	Element int32
	Rank    uint32 // the lower seven bits
	Dims    [8]int32
	Strides [8]uint32
}

// functions holds one Go function per function of the library that the product calls. The tag is the C name. No
// package holds the headers of this release, so no test compares them; the real models of the test run through all of them.
type functions struct {
	CreateEnvironment func(n int32, options unsafe.Pointer, out *handle) status                           `c:"LiteRtCreateEnvironment"`
	LoadModel         func(env handle, path *byte, out *handle) status                                    `c:"LiteRtCreateModelFromFile"`
	LoadBytes         func(env handle, data *byte, size uint64, out *handle) status                       `c:"LiteRtCreateModelFromBuffer"`
	DestroyModel      func(m handle)                                                                      `c:"LiteRtDestroyModel"`
	CreateOptions     func(out *handle) status                                                            `c:"LiteRtCreateOptions"`
	SetAccelerators   func(opt handle, set int32) status                                                  `c:"LiteRtSetOptionsHardwareAccelerators"`
	DestroyOptions    func(opt handle)                                                                    `c:"LiteRtDestroyOptions"`
	Compile           func(env, model, opt handle, out *handle) status                                    `c:"LiteRtCreateCompiledModel"`
	DestroyCompiled   func(c handle)                                                                      `c:"LiteRtDestroyCompiledModel"`
	Run               func(c handle, sig uint64, nIn uint64, in *handle, nOut uint64, out *handle) status `c:"LiteRtRunCompiledModel"`

	Signature    func(m handle, i uint64, out *handle) status           `c:"LiteRtGetModelSignature"`
	InputCount   func(sig handle, out *uint64) status                   `c:"LiteRtGetNumSignatureInputs"`
	OutputCount  func(sig handle, out *uint64) status                   `c:"LiteRtGetNumSignatureOutputs"`
	InputName    func(sig handle, i uint64, out *unsafe.Pointer) status `c:"LiteRtGetSignatureInputName"`
	OutputName   func(sig handle, i uint64, out *unsafe.Pointer) status `c:"LiteRtGetSignatureOutputName"`
	InputTensor  func(sig handle, i uint64, out *handle) status         `c:"LiteRtGetSignatureInputTensorByIndex"`
	OutputTensor func(sig handle, i uint64, out *handle) status         `c:"LiteRtGetSignatureOutputTensorByIndex"`
	TypeOf       func(tensor handle, out *tensorType) status            `c:"LiteRtGetRankedTensorType"`

	InputNeeds    func(c handle, sig, i uint64, out *handle) status                   `c:"LiteRtGetCompiledModelInputBufferRequirements"`
	OutputNeeds   func(c handle, sig, i uint64, out *handle) status                   `c:"LiteRtGetCompiledModelOutputBufferRequirements"`
	CreateBuffer  func(env handle, typ *tensorType, needs handle, out *handle) status `c:"LiteRtCreateManagedTensorBufferFromRequirements"`
	DestroyBuffer func(b handle)                                                      `c:"LiteRtDestroyTensorBuffer"`
	Lock          func(b handle, out *unsafe.Pointer, mode int32) status              `c:"LiteRtLockTensorBuffer"`
	Unlock        func(b handle) status                                               `c:"LiteRtUnlockTensorBuffer"`
	PackedSize    func(b handle, out *uint64) status                                  `c:"LiteRtGetTensorBufferPackedSize"`
}
