package people

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/whole"
)

// credentialFile is where login keeps what opens servers: in the user's folder of settings, or empty where there is none.
func credentialFile(env []string) string {
	dir := lookup(env, "XDG_CONFIG_HOME")
	if runtime.GOOS == "windows" {
		dir = lookup(env, "APPDATA")
	} else if home := lookup(env, "HOME"); dir == "" && home != "" {
		dir = filepath.Join(home, ".config")
	}
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "ashatai", "credentials.json")
}

// Kept are the credentials that are kept, by the address of the server: what opens one is never sent to another.
func Kept(env []string) (map[string]string, error) {
	file := credentialFile(env)
	kept := map[string]string{}
	if file == "" {
		return kept, nil
	}
	b, err := os.ReadFile(file) //nolint:gosec // the user's own folder
	if errors.Is(err, fs.ErrNotExist) {
		return kept, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &kept)
	}
	if err != nil {
		return nil, core.Wrap(core.CodeInternal, err, "The file %s, where logins are kept, cannot be read; remove it and log in again.", file)
	}
	return kept, nil
}

// keep stores a credential for a server, or forgets it where it is empty. Nobody but the user can read the file, at no
// moment.
func keep(env []string, server, credential string) error {
	kept, err := Kept(env)
	if err != nil {
		return err
	}
	file := credentialFile(env)
	if file == "" {
		return core.Errorf(core.CodeUnavailable, "There is no folder to keep the login in: HOME is not set.")
	}
	if kept[server] = credential; credential == "" {
		delete(kept, server)
	}
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(kept); err != nil {
		return err
	}
	if err := whole.Write(file, b.Bytes(), true); err != nil {
		return core.Wrap(core.CodeUnavailable, err, "The login cannot be kept in %s: %s.", file, err)
	}
	return nil
}

// lookup finds a variable; the last one of a name counts.
func lookup(env []string, name string) string {
	value := ""
	for _, e := range env {
		if k, v, ok := strings.Cut(e, "="); ok && k == name {
			value = v
		}
	}
	return value
}
