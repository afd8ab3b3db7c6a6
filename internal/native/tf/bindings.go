package tf

import "unsafe"

// handle is a pointer to one of the library's objects.
type handle uintptr

// port mirrors struct TF_Output: an output of an operator.
type port struct {
	Oper  uintptr
	Index int32
	_     int32
}

// buffer mirrors struct TF_Buffer.
type buffer struct {
	Data        unsafe.Pointer
	Length      uint64
	Deallocator uintptr
}

// textSize is the size of a TF_TString, which the library fills and frees. It is a union of forms that are private to it.
const textSize = 24

// functions holds one Go function per function of the library that the product calls. The tag is the C name; the test
// compares the parameters and results with the headers.
type functions struct {
	Version func() string `c:"TF_Version"`
	AllOps  func() handle `c:"TF_GetAllOpList"`

	NewStatus    func() handle          `c:"TF_NewStatus"`
	DeleteStatus func(st handle)        `c:"TF_DeleteStatus"`
	Code         func(st handle) int32  `c:"TF_GetCode"`
	Message      func(st handle) string `c:"TF_Message"`

	NewBuffer    func() handle                                 `c:"TF_NewBuffer"`
	BufferOf     func(data unsafe.Pointer, size uint64) handle `c:"TF_NewBufferFromString"`
	DeleteBuffer func(b handle)                                `c:"TF_DeleteBuffer"`

	NewGraph      func() handle                                                                                                                                                    `c:"TF_NewGraph"`
	DeleteGraph   func(g handle)                                                                                                                                                   `c:"TF_DeleteGraph"`
	Operation     func(g handle, name *byte) uintptr                                                                                                                               `c:"TF_GraphOperationByName"`
	OutputCount   func(op uintptr) int32                                                                                                                                           `c:"TF_OperationNumOutputs"`
	NewOptions    func() handle                                                                                                                                                    `c:"TF_NewSessionOptions"`
	SetConfig     func(opt handle, proto unsafe.Pointer, size uint64, st handle)                                                                                                   `c:"TF_SetConfig"`
	DeleteOptions func(opt handle)                                                                                                                                                 `c:"TF_DeleteSessionOptions"`
	Load          func(opt, runOpt handle, dir *byte, tags *unsafe.Pointer, n int32, graph, meta, st handle) handle                                                                `c:"TF_LoadSessionFromSavedModel"`
	CloseSession  func(s, st handle)                                                                                                                                               `c:"TF_CloseSession"`
	DeleteSession func(s, st handle)                                                                                                                                               `c:"TF_DeleteSession"`
	Run           func(s, runOpt handle, in *port, inValues *handle, nIn int32, out *port, outValues *handle, nOut int32, targets unsafe.Pointer, nTargets int32, meta, st handle) `c:"TF_SessionRun"`

	AllocateTensor func(typ int32, dims *int64, rank int32, size uint64) handle `c:"TF_AllocateTensor"`
	DeleteTensor   func(t handle)                                               `c:"TF_DeleteTensor"`
	TensorType     func(t handle) int32                                         `c:"TF_TensorType"`
	Rank           func(t handle) int32                                         `c:"TF_NumDims"`
	Dim            func(t handle, i int32) int64                                `c:"TF_Dim"`
	ByteSize       func(t handle) uint64                                        `c:"TF_TensorByteSize"`
	Data           func(t handle) unsafe.Pointer                                `c:"TF_TensorData"`

	TextInit func(s unsafe.Pointer)                                   `c:"TF_StringInit"`
	TextCopy func(s unsafe.Pointer, from unsafe.Pointer, size uint64) `c:"TF_StringCopy"`
	TextData func(s unsafe.Pointer) unsafe.Pointer                    `c:"TF_StringGetDataPointer"`
	TextSize func(s unsafe.Pointer) uint64                            `c:"TF_StringGetSize"`
	TextFree func(s unsafe.Pointer)                                   `c:"TF_StringDealloc"`
}
