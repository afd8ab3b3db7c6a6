package ort

import "unsafe"

// apiVersion is the version of the table that is asked for. Release is the library that serves it.
const apiVersion = 24

// apiBase mirrors struct OrtApiBase.
type apiBase struct {
	GetAPI     uintptr // const OrtApi *(uint32_t version)
	GetVersion uintptr // const char *(void)
}

// status is an OrtStatus *; 0 is success.
type status uintptr

// handle is a pointer to one of the library's objects.
type handle uintptr

// functions holds one Go function per entry of the table that the product calls. The tag is the entry's place and its C
// name; the test compares both, and the number of arguments, with the published declaration.
type functions struct {
	ErrorMessage func(s status) string `ort:"2,GetErrorMessage"`

	CreateEnv         func(level int32, name *byte, out *handle) status            `ort:"3,CreateEnv"`
	DisableTelemetry  func(env handle) status                                      `ort:"6,DisableTelemetryEvents"`
	CreateSession     func(env handle, path *byte, opt handle, out *handle) status `ort:"7,CreateSession"`
	CreateOptions     func(out *handle) status                                     `ort:"10,CreateSessionOptions"`
	SetExecutionMode  func(opt handle, mode int32) status                          `ort:"13,SetSessionExecutionMode"`
	SetOptimization   func(opt handle, level int32) status                         `ort:"23,SetSessionGraphOptimizationLevel"`
	SetIntraThreads   func(opt handle, n int32) status                             `ort:"24,SetIntraOpNumThreads"`
	SetInterThreads   func(opt handle, n int32) status                             `ort:"25,SetInterOpNumThreads"`
	AddConfig         func(opt handle, key, value *byte) status                    `ort:"130,AddSessionConfigEntry"`
	AvailableProvider func(out *unsafe.Pointer, n *int32) status                   `ort:"125,GetAvailableProviders"`
	FreeProviders     func(list unsafe.Pointer, n int32) status                    `ort:"126,ReleaseAvailableProviders"`

	InputCount  func(s handle, out *uint64) status                                     `ort:"30,SessionGetInputCount"`
	OutputCount func(s handle, out *uint64) status                                     `ort:"31,SessionGetOutputCount"`
	InputType   func(s handle, i uint64, out *handle) status                           `ort:"33,SessionGetInputTypeInfo"`
	OutputType  func(s handle, i uint64, out *handle) status                           `ort:"34,SessionGetOutputTypeInfo"`
	InputName   func(s handle, i uint64, allocator handle, out *unsafe.Pointer) status `ort:"36,SessionGetInputName"`
	OutputName  func(s handle, i uint64, allocator handle, out *unsafe.Pointer) status `ort:"37,SessionGetOutputName"`
	TensorInfo  func(typ handle, out *handle) status                                   `ort:"55,CastTypeInfoToTensorInfo"`
	ElementType func(info handle, out *int32) status                                   `ort:"60,GetTensorElementType"`
	DimCount    func(info handle, out *uint64) status                                  `ort:"61,GetDimensionsCount"`
	Dims        func(info handle, out *int64, n uint64) status                         `ort:"62,GetDimensions"`
	TypeShape   func(value handle, out *handle) status                                 `ort:"65,GetTensorTypeAndShape"`

	Run func(session, run handle, inputNames **byte, inputs *handle, inputCount uint64, outputNames **byte, outputCount uint64, outputs *handle) status `ort:"9,Run"`

	CreateRunOptions func(out *handle) status `ort:"39,CreateRunOptions"`
	SetTerminate     func(r handle) status    `ort:"46,RunOptionsSetTerminate"`

	CreateTensor   func(allocator handle, shape *int64, rank uint64, typ int32, out *handle) status                                `ort:"48,CreateTensorAsOrtValue"`
	TensorOver     func(memory handle, data unsafe.Pointer, size uint64, shape *int64, rank uint64, typ int32, out *handle) status `ort:"49,CreateTensorWithDataAsOrtValue"`
	TensorData     func(value handle, out *unsafe.Pointer) status                                                                  `ort:"51,GetTensorMutableData"`
	FillStrings    func(value handle, texts *unsafe.Pointer, n uint64) status                                                      `ort:"52,FillStringTensor"`
	StringsLength  func(value handle, out *uint64) status                                                                          `ort:"53,GetStringTensorDataLength"`
	StringsContent func(value handle, to unsafe.Pointer, size uint64, offsets *uint64, n uint64) status                            `ort:"54,GetStringTensorContent"`
	CPUMemory      func(allocator, kind int32, out *handle) status                                                                 `ort:"69,CreateCpuMemoryInfo"`
	Free           func(allocator handle, p unsafe.Pointer) status                                                                 `ort:"76,AllocatorFree"`
	Allocator      func(out *handle) status                                                                                        `ort:"78,GetAllocatorWithDefaultOptions"`

	ReleaseStatus     func(s status) `ort:"93,ReleaseStatus"`
	ReleaseSession    func(h handle) `ort:"95,ReleaseSession"`
	ReleaseValue      func(h handle) `ort:"96,ReleaseValue"`
	ReleaseRunOptions func(h handle) `ort:"97,ReleaseRunOptions"`
	ReleaseType       func(h handle) `ort:"98,ReleaseTypeInfo"`
	ReleaseTypeShape  func(h handle) `ort:"99,ReleaseTensorTypeAndShapeInfo"`
	ReleaseOptions    func(h handle) `ort:"100,ReleaseSessionOptions"`
}
