package gguf

// Limits bound the work that Read does for one file, whatever the file's header says. A field that is zero has the
// default in its comment.
type Limits struct {
	MaxKeys     int   // number of metadata keys; 4,096
	MaxTensors  int   // number of tensors; 65,536
	MaxString   int64 // bytes of one string, a chat template or an embedded tokenizer being the longest; 32 MiB
	MaxMetadata int64 // bytes of everything before the tensor data; 256 MiB
}

const (
	defaultMaxKeys     = 4096
	defaultMaxTensors  = 1 << 16
	defaultMaxString   = 32 << 20
	defaultMaxMetadata = 256 << 20
)

func (l Limits) withDefaults() Limits {
	if l.MaxKeys == 0 {
		l.MaxKeys = defaultMaxKeys
	}
	if l.MaxTensors == 0 {
		l.MaxTensors = defaultMaxTensors
	}
	if l.MaxString == 0 {
		l.MaxString = defaultMaxString
	}
	if l.MaxMetadata == 0 {
		l.MaxMetadata = defaultMaxMetadata
	}
	return l
}
