package config

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"ashatai/internal/core"
)

const (
	prefix       = "ASHATAI__"
	serverVar    = "ASHATAI_SERVER"
	serverURL    = "http://127.0.0.1:7077"
	maxListIndex = 1000
)

// oldSections are the sections that the old server read from unprefixed variables, Section__Key. Other programs have
// variables of that form too, so nothing else is read without the prefix.
func oldSections() []string {
	return []string{"database", "runtime", "apikey", "ratelimit", "https", "gpu", "finetuning"}
}

// standardVars are variables that other programs read in the same sense, and the settings that they say.
func standardVars() map[string]string {
	return map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "telemetry.endpoint", "OTEL_EXPORTER_OTLP_HEADERS": "telemetry.headers", "OTEL_SERVICE_NAME": "telemetry.service",
	}
}

// readEnv reads ASHATAI__SECTION__KEY and the old server's Section__Key; the prefixed form wins.
func readEnv(s *Settings, from map[string]origin, env []string) error {
	vars := map[string]string{}
	for _, e := range env {
		if k, v, ok := strings.Cut(e, "="); ok {
			vars[k] = v
		}
	}
	var old, own []string
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		section, rest, nested := strings.Cut(k, "__")
		switch {
		case strings.HasPrefix(strings.ToUpper(k), prefix):
			own = append(own, k)
		case standardVars()[k] != "" && vars[k] != "":
			old = append(old, k)
		case nested && rest != "" && slices.Contains(oldSections(), folded(section)), k == "ModelsDirectory":
			old = append(old, k)
		}
	}
	for _, names := range [][]string{old, own} {
		tree := newTree(FromEnvironment)
		for _, k := range names {
			path := strings.Split(k, "__")
			if setting := standardVars()[k]; setting != "" {
				path = strings.Split(setting, ".")
			}
			if strings.EqualFold(path[0]+"__", prefix) {
				path = path[1:]
			}
			tree.add(path, vars[k], "the environment variable "+k)
		}
		if err := tree.apply(s, from, true); err != nil {
			return err
		}
	}
	return nil
}

func readArgs(s *Settings, from map[string]origin, args map[string]string) error {
	tree := newTree(FromCommandLine)
	for _, k := range slices.Sorted(maps.Keys(args)) {
		tree.add(strings.Split(k, "."), args[k], "the command line")
	}
	return tree.apply(s, from, false)
}

// tree gathers single values, so that the entries of a list (ApiKey__ProtectedPaths__0, __1) become one list.
type tree struct {
	kind   Source
	leaves []leaf
	lists  map[string]int // path → index into leaves
}

type leaf struct {
	path   []string
	node   *yaml.Node
	source string
}

func newTree(kind Source) *tree { return &tree{kind: kind, lists: map[string]int{}} }

func (t *tree) add(path []string, value, source string) {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	last := path[len(path)-1]
	if n, err := strconv.Atoi(last); err == nil && n >= 0 && n < maxListIndex && len(path) > 1 {
		path = path[:len(path)-1]
		key := folded(strings.Join(path, "."))
		if i, ok := t.lists[key]; ok {
			t.leaves[i].node.Content = append(t.leaves[i].node.Content, node)
			return
		}
		t.lists[key] = len(t.leaves)
		node = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{node}}
	}
	t.leaves = append(t.leaves, leaf{path, node, source})
}

// apply decodes each value by itself, wrapped in the sections of its path.
func (t *tree) apply(s *Settings, from map[string]origin, fold bool) error {
	for _, l := range t.leaves {
		n := l.node
		for _, key := range slices.Backward(l.path) {
			n = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: key}, n}}
		}
		d := decoder{settings: s, kind: t.kind, source: l.source, fold: fold, from: from}
		if err := d.decode(n, reflect.ValueOf(s).Elem(), ""); err != nil {
			return err
		}
	}
	return nil
}

func lookup(env []string, name string) string {
	value := ""
	for _, e := range env {
		if k, v, ok := strings.Cut(e, "="); ok && k == name {
			value = v
		}
	}
	return value
}

// DefaultHome is the data folder where none is given: .ashatai in the user's own folder.
func DefaultHome(env []string) (string, error) {
	for _, name := range []string{"HOME", "USERPROFILE"} {
		if dir := lookup(env, name); filepath.IsAbs(dir) {
			return filepath.Join(dir, ".ashatai"), nil
		}
	}
	return "", core.Errorf(core.CodeInvalidRequest, "There is no home folder in the environment (HOME), so the data folder must be named: --home DIR.")
}

// ServerNamed reports whether the flag or ASHATAI_SERVER names a server.
func ServerNamed(flag string, env []string) bool { return flag != "" || lookup(env, serverVar) != "" }

// ServerURL is the server that commands talk to: the flag, else ASHATAI_SERVER, else this machine's.
func ServerURL(flag string, env []string) string {
	if flag != "" {
		return flag
	}
	if v := lookup(env, serverVar); v != "" {
		return v
	}
	return serverURL
}
