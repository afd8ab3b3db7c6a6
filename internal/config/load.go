package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"ashatai/internal/core"
)

// Sources are where settings come from. Later ones win: defaults, files, environment, command line.
type Sources struct {
	Args map[string]string // "server.addr" → value, from command line flags
	File string            // the file named by --config; empty: appsettings.json, then ashatai.yaml, in the home
	Home string            // the data folder; empty: DefaultHome(Env)
	Env  []string          // "KEY=value", as os.Environ returns it
}

const (
	fileName    = "ashatai.yaml"
	oldFileName = "appsettings.json"
	maxFile     = 1 << 20
	maxNesting  = 16
)

// Load makes the settings. Paths in them are absolute. The error is a core.Error with a sentence that names the source,
// the line, the key and what would be right.
func Load(src Sources) (*Settings, error) {
	home, err := homeOf(src)
	if err != nil {
		return nil, err
	}
	s := Default()
	s.Home = home
	from := map[string]origin{}
	s.from = from
	if src.File != "" {
		err = readFile(s, from, src.File, true)
	} else {
		err = readFile(s, from, filepath.Join(home, oldFileName), false)
		if err == nil {
			err = readFile(s, from, filepath.Join(home, fileName), false)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := readEnv(s, from, src.Env); err != nil {
		return nil, err
	}
	if err := readArgs(s, from, src.Args); err != nil {
		return nil, err
	}
	if err := refuseUnsafe(s, from); err != nil {
		return nil, err
	}
	if err := refuseModels(s, from); err != nil {
		return nil, err
	}
	s.Notices = notices(s, from)
	s.ModelsDirectory = under(home, s.ModelsDirectory)
	s.Database.Path = under(home, s.Database.Path)
	if s.Logs.File != "" {
		s.Logs.File = under(home, s.Logs.File)
	}
	if s.TLS.On() {
		s.TLS.Cert, s.TLS.Key = under(home, s.TLS.Cert), under(home, s.TLS.Key)
	}
	return s, nil
}

func homeOf(src Sources) (string, error) {
	home := src.Home
	if home == "" {
		var err error
		if home, err = DefaultHome(src.Env); err != nil {
			return "", err
		}
	}
	abs, err := filepath.Abs(home)
	if err != nil {
		return "", core.Wrap(core.CodeInvalidRequest, err, "The home %q is not a path that can be used.", home)
	}
	return abs, nil
}

func under(home, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(home, path)
}

func readFile(s *Settings, from map[string]origin, path string, must bool) error {
	data, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) && !must {
		return nil
	}
	if err != nil {
		return core.Wrap(core.CodeInvalidRequest, err, "The settings file %s cannot be read: %s.", path, reason(err))
	}
	old := strings.EqualFold(filepath.Ext(path), ".json")
	if old {
		data = withoutComments(data)
	}
	d := decoder{settings: s, kind: FromFile, source: path, fold: old, from: from}
	root, err := parse(data, path)
	if err != nil || root == nil {
		return err
	}
	return d.decode(root, reflect.ValueOf(s).Elem(), "")
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("it is larger than %s", Size(maxFile))
	}
	return data, nil
}

// reason is an I/O error without the operation and the path, which the sentence has already.
func reason(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

// parse reads YAML, of which JSON is a part. It returns nil for a file without settings.
func parse(data []byte, path string) (*yaml.Node, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil //nolint:nilnil // no settings is no error
	} else if err != nil {
		return nil, core.Wrap(core.CodeInvalidRequest, err, "%s: this is not valid YAML or JSON: %s.", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, core.Errorf(core.CodeInvalidRequest, "%s: the file holds more than one document; put all settings into one.", path)
	}
	root := doc.Content[0]
	if null(root) {
		return nil, nil //nolint:nilnil // only comments
	}
	if nesting(root, 0) > maxNesting {
		return nil, core.Errorf(core.CodeInvalidRequest, "%s: the settings nest deeper than %d levels.", path, maxNesting)
	}
	return root, nil
}

func nesting(n *yaml.Node, depth int) int {
	deepest := depth
	if depth <= maxNesting {
		for _, c := range n.Content {
			deepest = max(deepest, nesting(c, depth+1))
		}
	}
	return deepest
}

// withoutComments blanks // and /* */ comments, which the old server allowed in its JSON; lines stay where they are.
func withoutComments(data []byte) []byte {
	out := slices.Clone(data)
	for i := 0; i < len(out); i++ {
		switch {
		case out[i] == '"':
			for i++; i < len(out) && out[i] != '"'; i++ {
				if out[i] == '\\' {
					i++
				}
			}
		case bytes.HasPrefix(out[i:], []byte("//")):
			for ; i < len(out) && out[i] != '\n'; i++ {
				out[i] = ' '
			}
		case bytes.HasPrefix(out[i:], []byte("/*")):
			end := bytes.Index(out[i+2:], []byte("*/"))
			if end < 0 {
				return out // broken, and the parser says so
			}
			for stop := i + 2 + end + 2; i < stop; i++ {
				if out[i] != '\n' {
					out[i] = ' '
				}
			}
			i--
		}
	}
	return out
}
