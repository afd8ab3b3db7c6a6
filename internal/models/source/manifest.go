package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"path"
	"strings"
	"unicode/utf8"

	"ashatai/internal/core"
)

const (
	maxManifest = 4 << 20
	maxLayers   = 256
	maxText     = 1 << 20 // bytes of a system prompt, a licence, a template
	maxParams   = 64 << 10
	maxImages   = 8 // of an index that are looked at
	maxBlob     = 1 << 42
	titleKey    = "org.opencontainers.image.title"

	manifestTypes = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, " +
		"application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"
)

// manifest is an image manifest or an index of some (OCI image specification; Docker's manifest, version 2 schema 2).
type manifest struct {
	Layers    []descriptor `json:"layers"`
	Manifests []descriptor `json:"manifests"`
}

type descriptor struct {
	MediaType   string            `json:"mediaType"` //nolint:tagliatelle // the format's own name
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations"`
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// parseManifest reads a manifest and checks what is used of it.
func parseManifest(data []byte) (manifest, error) {
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return manifest{}, core.Wrap(core.CodeBadModel, err, "The registry's manifest is not valid.")
	}
	if len(m.Layers) > maxLayers || len(m.Manifests) > maxLayers {
		return manifest{}, core.Errorf(core.CodeBadModel, "The registry's manifest has more than %d parts.", maxLayers)
	}
	for _, list := range [][]descriptor{m.Layers, m.Manifests} {
		for _, d := range list {
			if sum, ok := strings.CutPrefix(d.Digest, "sha256:"); !ok || !validSHA(sum) || d.Size < 0 || d.Size > maxBlob {
				return manifest{}, core.Errorf(core.CodeBadModel, "The registry's manifest has a part with the digest %.80q and the size %d, which cannot be.", d.Digest, d.Size)
			}
		}
	}
	return m, nil
}

// manifest fetches the manifest of a tag or a digest. Of an index it is the first image that holds a model.
func (g registry) manifest(ctx context.Context, ref string) (manifest, error) {
	m, err := g.fetch(ctx, ref)
	if err != nil || len(m.Manifests) == 0 || len(m.Layers) > 0 {
		return m, err
	}
	for _, d := range m.Manifests[:min(len(m.Manifests), maxImages)] {
		image, err := g.fetch(ctx, d.Digest)
		if err != nil {
			return manifest{}, err
		}
		if len(matchingLayers(image.Layers, isModel)) > 0 {
			return image, nil
		}
	}
	return manifest{}, g.noModel()
}

func (g registry) noModel() error {
	return core.Errorf(core.CodeUnsupported, "%s holds no GGUF file, so it is no model that can be served; look for one that does.", g.what)
}

func (g registry) fetch(ctx context.Context, ref string) (manifest, error) {
	ans, err := get(ctx, g.session, g.at.JoinPath("manifests", ref).String(), g.host, manifestTypes, maxManifest)
	if err != nil {
		return manifest{}, err
	}
	if ans.status != http.StatusOK {
		return manifest{}, refused(ans.status, g.host, "model "+g.what, imageHint)
	}
	want := ans.head.Get("Docker-Content-Digest")
	if strings.Contains(ref, ":") {
		want = ref
	}
	if strings.HasPrefix(want, "sha256:") && digestOf(ans.body) != want {
		return manifest{}, core.Errorf(core.CodeBadModel, "The manifest of %s is not what its digest says; pull again, or from elsewhere.", g.what)
	}
	return parseManifest(ans.body)
}

// has tells whether a media type names a kind of layer: "application/vnd.….model" is a model.
func (d descriptor) has(kind string) bool {
	t, _, _ := strings.Cut(strings.ToLower(d.MediaType), ";")
	return strings.HasSuffix(t, "."+kind)
}

// isModel tells layers that are one GGUF file, as they are.
func isModel(d descriptor) bool {
	t := strings.ToLower(d.MediaType)
	title := strings.ToLower(d.Annotations[titleKey])
	switch {
	case packed(d), strings.Contains(t, "mmproj"), strings.Contains(title, "mmproj"):
		return false
	case d.has("model"), strings.Contains(t, "gguf"):
		return true
	}
	return strings.HasSuffix(title, fileSuffix)
}

func packed(d descriptor) bool {
	t := strings.ToLower(d.MediaType)
	return strings.HasSuffix(t, "gzip") || strings.HasSuffix(t, "+zstd") || strings.HasSuffix(t, "tar")
}

func matchingLayers(list []descriptor, fits func(descriptor) bool) []descriptor {
	var out []descriptor
	for _, d := range list {
		if fits(d) {
			out = append(out, d)
		}
	}
	return out
}

// describe takes over what a manifest says.
func (g registry) describe(ctx context.Context, m manifest, f *Found) error {
	models := matchingLayers(m.Layers, isModel)
	switch {
	case len(models) == 0 && len(matchingLayers(m.Layers, packed)) > 0:
		return core.Errorf(core.CodeUnsupported, "%s holds only packed layers; a GGUF file must be a layer of its own, as it is.", g.what)
	case len(models) == 0:
		return g.noModel()
	case len(models) > 1:
		return core.Errorf(core.CodeUnsupported, "%s holds %d GGUF files; a model that is split over several cannot be served.", g.what, len(models))
	}
	main := models[0]
	f.URL = g.at.JoinPath("blobs", main.Digest).String()
	f.SHA256, f.Size = strings.TrimPrefix(main.Digest, "sha256:"), main.Size
	if title := main.Annotations[titleKey]; strings.HasSuffix(strings.ToLower(title), fileSuffix) {
		f.File = path.Base(title)
	}
	for _, d := range m.Layers {
		if d.Digest == main.Digest {
			continue
		}
		if err := g.take(ctx, d, f); err != nil {
			return err
		}
	}
	return nil
}

// take takes over one layer besides the model.
func (g registry) take(ctx context.Context, d descriptor, f *Found) error {
	switch {
	case d.has("adapter"):
		return core.Errorf(core.CodeUnsupported, "%s is a model with an adapter, which cannot be served; pull the model that it was made from.", g.what)
	case d.has("jinja"):
		return g.text(ctx, d, &f.Template)
	case d.has("template"):
		f.Foreign = true
	case d.has("system"):
		return g.text(ctx, d, &f.System)
	case d.has("license"):
		var text string
		if err := g.text(ctx, d, &text); err != nil {
			return err
		}
		if f.License != "" {
			text = f.License + "\n\n" + text
		}
		f.License = text
	case d.has("params"):
		data, err := g.blob(ctx, d, maxParams)
		if err != nil {
			return err
		}
		return f.parameters(data)
	case d.has("projector"), strings.Contains(strings.ToLower(d.MediaType), "mmproj"):
		f.Notes = append(f.Notes, "The part of the model that sees pictures is not used: this server serves its text only.")
	default:
		f.Notes = append(f.Notes, "A layer of the kind "+shown(d.MediaType)+" is not used.")
	}
	return nil
}

func shown(s string) string {
	const limit = 80
	return strings.ToValidUTF8(s[:min(len(s), limit)], "")
}

func (g registry) text(ctx context.Context, d descriptor, to *string) error {
	data, err := g.blob(ctx, d, maxText)
	if err != nil {
		return err
	}
	if !utf8.Valid(data) {
		return core.Errorf(core.CodeBadModel, "A part of %s (%s) is not text.", g.what, shown(d.MediaType))
	}
	*to = string(data)
	return nil
}
