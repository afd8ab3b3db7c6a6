// Package checkup looks at what lies around a server and says what is wrong and how to mend it: the permissions of its
// folder and files, the room on its disk, its certificate, its features. It changes nothing.
package checkup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"ashatai/internal/config"
	"ashatai/internal/feature"
	"ashatai/internal/node/cert"
)

// Finding is one thing that was looked at.
type Finding struct {
	Name   string
	State  string // OK, Warn or Fail
	Detail string
	Remedy string // what to do about it
}

// The states.
const (
	OK   = "ok"
	Warn = "warn" // it works, but weaker than it could
	Fail = "fail" // something does not work
)

// Home looks at the permissions of the data folder: prompts, accounts and keys lie in it.
func Home(dir string) []Finding {
	fi, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // told by who looks for it
	case err != nil:
		return []Finding{{"permissions", Fail, fmt.Sprintf("%s cannot be looked at: %v", dir, err), "Run this as the user that the server runs as."}}
	case !fi.IsDir():
		return []Finding{{"permissions", Fail, dir + " is not a folder", "Name another folder with --home, or move the file away."}}
	case fi.Mode().Perm()&0o077 != 0 && modes():
		return []Finding{{"permissions", Warn, fmt.Sprintf("other users of this machine can reach %s (mode %04o)", dir, fi.Mode().Perm()), "chmod 700 " + dir}}
	}
	return []Finding{{"permissions", OK, dir + " is the server's alone", ""}}
}

// Secrets looks at the files of settings that hold secrets in plain text, and at the certificate's key.
func Secrets(s *config.Settings) []Finding {
	keys := map[string][]string{}
	var out []Finding
	for _, v := range s.Values() {
		file, _, ok := strings.Cut(v.Origin, ", line ")
		if !ok || !v.Secret || v.Source != config.FromFile || v.Value != config.Hidden {
			continue
		}
		keys[file] = append(keys[file], v.Key)
		if v.Plain {
			out = append(out, Finding{"secrets", Warn, v.Origin + ": " + v.Key + " is there in plain text", "Seal it by `ashatai secret set NAME`, and write secret:NAME in its place."})
		}
	}
	if s.TLS.On() {
		keys[s.TLS.Key] = append(keys[s.TLS.Key], "the certificate's key")
	}
	for file, what := range keys {
		if fi, err := os.Stat(file); err == nil && fi.Mode().Perm()&0o077 != 0 && modes() {
			out = append(out, Finding{"secrets", Warn, fmt.Sprintf("%s holds %s, and other users of this machine can read it (mode %04o)", file, strings.Join(what, ", "), fi.Mode().Perm()), "chmod 600 " + file})
		}
	}
	slices.SortFunc(out, func(a, b Finding) int { return strings.Compare(a.Detail, b.Detail) })
	return out
}

const (
	fewBytes   = 1 << 30 // below this a pull of a small model fails
	leastBytes = 64 << 20
)

// Disk looks at the room that is left where the data lies, in bytes; err is what kept somebody from asking.
func Disk(dir string, free uint64, err error) Finding {
	text := fmt.Sprintf("%.1f GiB free at %s", float64(free)/(1<<30), dir)
	const remedy = "Remove models that nobody needs (`ashatai rm`), make engine.cache_disk smaller, or move the home to a larger disk."
	switch {
	case err != nil:
		return Finding{"disk", Warn, fmt.Sprintf("the room left at %s is not known: %v", dir, err), ""}
	case free < leastBytes:
		return Finding{"disk", Fail, text + ": writes are refused", remedy}
	case free < fewBytes:
		return Finding{"disk", Warn, text, remedy}
	}
	return Finding{"disk", OK, text, ""}
}

// TLS looks at the certificate.
func TLS(s *config.Settings, accounts bool, now time.Time) []Finding {
	if !s.TLS.On() {
		if accounts && !s.Server.Loopback() {
			return []Finding{{"tls", Warn, "passwords and keys travel in the clear to " + s.Server.Addr, "Set tls.cert and tls.key, or put a reverse proxy with a certificate in front."}}
		}
		return nil
	}
	c, err := cert.Read(s.TLS.Cert, s.TLS.Key)
	if err != nil {
		return []Finding{{"tls", Fail, err.Error(), "Put the right pair of files there; `openssl x509 -noout -text -in CERT` shows what one is for."}}
	}
	text, refused := cert.Verdict(c.Leaf, now)
	switch {
	case refused:
		return []Finding{{"tls", Fail, text, "Renew " + s.TLS.Cert + "."}}
	case text != "":
		return []Finding{{"tls", Warn, text, "Renew " + s.TLS.Cert + "."}}
	}
	return []Finding{{"tls", OK, "the certificate counts until " + c.Leaf.NotAfter.UTC().Format(time.DateOnly), ""}}
}

// Features looks at the flags that settings say.
func Features(s *config.Settings) []Finding {
	set, err := feature.NewSet(feature.All(), s.Features.Said(), nil)
	if err != nil {
		return []Finding{{"features", Fail, err.Error(), "Mend the setting."}}
	}
	return features(set)
}

func features(set *feature.Set) []Finding {
	var off, alpha []string
	for _, st := range set.States() {
		switch {
		case !st.Exposure.On && st.Phase != feature.Alpha:
			off = append(off, string(st.Name))
		case st.Exposure.On && st.Phase == feature.Alpha:
			alpha = append(alpha, string(st.Name))
		}
	}
	out := []Finding{{"features", OK, fmt.Sprintf("%d known, off by settings: %s", len(set.States()), orNone(off)), ""}}
	if len(alpha) > 0 {
		out = append(out, Finding{
			"features", Warn, "in alpha and on: " + strings.Join(alpha, ", "),
			"They may be wrong, change or go. Open them to some roles only, as features." + alpha[0] + ": operator,admin.",
		})
	}
	return out
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
