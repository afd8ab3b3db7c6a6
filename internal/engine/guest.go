package engine

// Guest is what a Runtime may also be that another program serves: the worker program looks after the sandbox, and then
// becomes that program, which speaks the worker protocol over the same channel.
type Guest interface {
	// Program says what to become. An error means that it cannot be started; the Runtime's own Probe and Load say why.
	Program() (Program, error)
}

// Program is one that speaks the worker protocol. Behind its own arguments it is given --build, --tier, --filter (a system call
// filter to set before anything else, in hexadecimal), --descriptor (JSON) and --heartbeat-ms.
type Program struct {
	Path    string
	Args    []string // {bundle} stands for the path of Bundle
	Env     []string // the whole environment
	Bundle  []byte   // a file that the program is given without one being written; nil: none
	Read    []string // files and folders that it may read
	Execute []string // and those that it may also execute
}

// BundleArg is what stands for the bundle's path in Args.
const BundleArg = "{bundle}"
