package source

import (
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse: what is accepted as a name cannot leave the folder of a URL.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"hf:a/b:Q4_K_M", "hf:a/b:d/x.gguf", "oci://h:1/r/s:t", "oci://h/r@sha256:" + strings.Repeat("0", 64), "h/n/m:t", "x", "HF:A/b", "oci://[::1]:1/r"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := Parse(s)
		if err != nil {
			return
		}
		var part string
		switch {
		case ref.hub != nil:
			part = ref.hub.repo + "/" + ref.hub.want
		case ref.image != nil:
			part = ref.image.repo + "/" + ref.image.tag
			if strings.ContainsAny(ref.image.host, "/@?# ") {
				t.Errorf("%q has the host %q", s, ref.image.host)
			}
		default:
			t.Fatalf("%q is nothing", s)
		}
		if p := strings.TrimSuffix(part, "/"); path.Clean("/"+p) != "/"+p {
			t.Errorf("%q has the path %q", s, part)
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"layers":[{"mediaType":"application/vnd.x.model","digest":"sha256:` + strings.Repeat("a", 64) + `","size":3,"annotations":{"a":"b"}}]}`))
	f.Add([]byte(`{"manifests":[{"digest":"x","size":-1}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			return
		}
		for _, d := range append(m.Layers, m.Manifests...) {
			if len(d.Digest) != len("sha256:")+shaHex || d.Size < 0 {
				t.Errorf("accepted %+v", d)
			}
		}
	})
}

func FuzzHub(f *testing.F) {
	f.Add([]byte(repository("a.gguf", "b/c.Q4_0.gguf")), "q4_0")
	f.Add([]byte(`{"sha":"../x","siblings":[{"rfilename":"../x.gguf","lfs":null}]}`), "")
	f.Add([]byte(`{"siblings":[{"rfilename":".gguf"}]}`), ".gguf")
	f.Fuzz(func(t *testing.T, data []byte, want string) {
		rev, list, err := parseRepo(data)
		if err != nil {
			return
		}
		if rev != "main" && strings.Trim(rev, "0123456789abcdef") != "" {
			t.Errorf("revision %q", rev)
		}
		if o, err := choose(list, want); err == nil && (!validPath(o.path) || o.sha != "" && !validSHA(o.sha) || o.size < 0) {
			t.Errorf("chose %+v", o)
		}
		_, _ = parseTree(data)
	})
}

func FuzzChallenge(f *testing.F) {
	for _, s := range []string{`Bearer realm="https://x/y",service="s",scope="a b"`, `bearer realm=x`, `Bearer realm="\"`, `Bearer ,,=,`, `Basic realm="x"`, `Bearer x="`, `Bearer`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c, ok := parseChallenge([]string{s}); ok && c.realm == "" {
			t.Errorf("%q: %+v", s, c)
		}
	})
}

// FuzzParameters: what is taken over is valid.
func FuzzParameters(f *testing.F) {
	f.Add([]byte(`{"stop":"x","temperature":null,"num_ctx":-1,"seed":1e99}`))
	f.Add([]byte(`{"stop":[1],"top_k":3}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var found Found
		if found.parameters(data) != nil {
			return
		}
		if err := found.Defaults.Validate(); err != nil || found.Window < 0 {
			t.Errorf("%+v: %v", found, err)
		}
		for _, n := range found.Notes {
			if !utf8.ValidString(n) {
				t.Errorf("note %q", n)
			}
		}
	})
}
