package provision

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"ashatai/internal/core"
	"ashatai/internal/proc"
)

// Tools run the clients of the registries for one installation.
type Tools struct {
	cfg    *Config
	recipe string
}

// Tell shows a line of progress.
func (t *Tools) Tell(line string) { t.cfg.Tell(line) }

// find looks for a program in the caller's PATH; empty where there is none.
func (t *Tools) find(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	for _, kv := range t.cfg.Env {
		path, ok := strings.CutPrefix(kv, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(path) {
			full := filepath.Join(dir, name)
			if info, err := os.Stat(full); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && filepath.IsAbs(full) {
				return full
			}
		}
	}
	return ""
}

// Need finds a program, or says in a sentence how to get it.
func (t *Tools) Need(name, debian string) (string, error) {
	if full := t.find(name); full != "" {
		return full, nil
	}
	return "", core.Errorf(core.CodeUnavailable, "The program %s is missing; it is needed to install %s. Install it (on Debian: apt-get install %s) and run `ashatai runtime install %s` again.", name, t.recipe, debian, t.recipe)
}

// Command is one run of a program.
type Command struct {
	Path string // absolute
	Args []string
	Dir  string
	Env  []string            // added to the caller's
	Line func(string) string // turns a line of output into progress; empty: none. May be nil
}

// Run runs a program to its end and returns what it wrote to standard output. A failure is CodeUnavailable with the
// program's own last words; the end of ctx ends the program.
func (t *Tools) Run(ctx context.Context, c Command) (string, error) {
	out, errs := proc.NewTail(maxOutput), proc.NewTail(maxOutput)
	p, err := proc.Start(ctx, proc.Spec{
		Path: c.Path, Args: c.Args, Dir: c.Dir, Env: append(append([]string{}, t.cfg.Env...), c.Env...),
		Stdout: &liner{to: out, line: c.Line, tell: t.cfg.Tell}, Stderr: errs,
	})
	if err != nil {
		return "", err
	}
	exit, err := p.Wait(ctx)
	if err != nil {
		_ = p.Kill()
		<-p.Done()
		return "", err
	}
	if exit.Code != 0 {
		return "", t.failed(filepath.Base(c.Path), exit, errs.String(), out.String())
	}
	return out.String(), nil
}

const maxOutput = 64 << 10

// offline knows the words in which clients say that a registry was not reached.
var offline = regexp.MustCompile(`(?i)name resolution|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|connection (refused|timed out|broken|reset)|network is unreachable|failed to establish a new connection|Max retries exceeded|No matching distribution`)

// foreign knows the words in which they say that a package is not the pinned one.
var foreign = regexp.MustCompile(`THESE PACKAGES DO NOT MATCH THE HASHES|EINTEGRITY`)

func (t *Tools) failed(program string, exit proc.Exit, errs, out string) error {
	said := lastWords(errs)
	if said == "" {
		said = lastWords(out)
	}
	again := "`ashatai runtime install " + t.recipe + "`"
	switch text := errs + out; {
	case foreign.MatchString(text):
		return core.Errorf(core.CodeConflict, "A package that %s fetched is not the one that is pinned; nothing was changed. The registry or a cache on the way gives something else: %s", program, said)
	case offline.MatchString(text):
		return core.Errorf(core.CodeUnavailable, "%s did not reach its registry, or does not find a package there: %s. Check the network and the settings of %s (a proxy, an index of your own), then run %s again; nothing was changed.", program, said, program, again)
	}
	return core.Errorf(core.CodeUnavailable, "%s failed with exit code %d: %s. Nothing was changed; run %s again when that is mended.", program, exit.Code, said, again)
}

// lastWords is the last line that says an error, or the last line at all.
func lastWords(text string) string {
	last, found := "", ""
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		last = line
		if strings.HasPrefix(strings.ToLower(line), "error") || strings.HasPrefix(line, "npm error") {
			found = line
		}
	}
	if found == "" {
		found = last
	}
	const most = 300
	return strings.TrimRight(strings.ToValidUTF8(found[:min(len(found), most)], ""), ".")
}

// liner tells of the lines that pass through it.
type liner struct {
	to   *proc.Tail
	line func(string) string
	tell func(string)

	mu   sync.Mutex
	rest string
}

// Write never fails.
func (l *liner) Write(b []byte) (int, error) {
	_, _ = l.to.Write(b)
	if l.line == nil {
		return len(b), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest += string(b)
	for {
		at := strings.IndexAny(l.rest, "\r\n")
		if at < 0 {
			break
		}
		if said := l.line(strings.TrimSpace(l.rest[:at])); said != "" {
			l.tell(said)
		}
		l.rest = l.rest[at+1:]
	}
	l.rest = l.rest[max(0, len(l.rest)-maxOutput):]
	return len(b), nil
}
