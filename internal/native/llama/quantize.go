package llama

import (
	"errors"
	"fmt"
	"runtime"
)

// ErrQuantize is wrapped by the errors of weights that could not be made.
var ErrQuantize = errors.New("weights not made")

// FileType is llama_ftype, a mixture of tensor types.
type FileType int32

// The mixtures that stand in for other ones.
const (
	FileQ4_0   FileType = 2
	FileQ8_0   FileType = 7
	FileQ5_0   FileType = 8
	FileQ4_K_M FileType = 15
	FileIQ4_NL FileType = 25
)

// Quantize writes the model of file in to file out with its weights in another type, whatever they are in now. Rows whose
// length does not fit the type get a wider one. The file in must have passed package gguf. It cannot be stopped but by the
// end of the process; a failure leaves a part of the file.
func (l *Library) Quantize(in, out string, to FileType, threads int) error {
	l.log.take()
	p := l.fn.QuantizeDefaultParams()
	p.FType, p.NThread, p.AllowRequantize = int32(to), int32(min(max(threads, 1), MaxThreads)), true
	var pin runtime.Pinner
	pin.Pin(&p)
	defer pin.Unpin()
	if l.fn.ModelQuantize(in, out, &p) != 0 {
		return fmt.Errorf("%w: %s", ErrQuantize, l.log.take())
	}
	return nil
}
