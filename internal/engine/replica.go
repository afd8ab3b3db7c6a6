package engine

// Replica is one of the places that a model can be served from.
type Replica struct {
	Label      string // unique in its set, as people read it: "gpu1", "llamacpp 2"
	Runtime    string
	Format     string // of the file; empty: not looked at
	Digest     string
	Spec       LoadSpec
	Memory     int64  // estimate in bytes, until a load has measured it
	Weight     int    // share of the requests beside others; 0 means 1
	Vocabulary string // what TokenizerDigest is known to be; empty: found out at the load
	Template   string // SHA-256 of the chat template; empty: as the loaded model says
}

// Where is what one request asks of the place that serves it; empty fields ask nothing.
type Where struct {
	Runtime string
	Device  string // the beginning of the device's name
}
