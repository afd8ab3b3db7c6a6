package get

import (
	"context"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"ashatai/internal/chat"
	"ashatai/internal/core"
	"ashatai/internal/models/facts"
	"ashatai/internal/models/naming"
	"ashatai/internal/models/source"
)

// LabelNotes is the label that tells what of a model's source was not taken over.
const LabelNotes = "notes"

// named tells the name of a model that a server offers from a URL and from a path: a path is absolute, begins with a dot,
// or ends like a model file.
func named(text string) bool {
	low := strings.ToLower(text)
	switch {
	case strings.HasPrefix(low, "hf:"), strings.HasPrefix(low, "oci://"):
		return true
	case strings.Contains(text, "://"), filepath.IsAbs(text), strings.Contains(text, `\`), strings.HasSuffix(low, facts.Suffix):
		return false
	}
	return !strings.HasPrefix(text, ".") && !strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "~")
}

func (src Supply) withName(text string) (Supply, error) {
	ref, err := source.Parse(text)
	if err != nil {
		return Supply{}, err
	}
	src.ref = &ref
	if src.Name == "" {
		src.Name, src.alias = ref.Name(), strings.ToLower(text)
	}
	return src, nil
}

// Resolve asks the server that a name leads to where its file is. What is no name is as it was.
func (g *Getter) Resolve(ctx context.Context, src Supply, progress func(Progress)) (Supply, error) {
	if src.ref == nil {
		return src, nil
	}
	progress(Progress{Status: StatusPulling})
	found, err := g.sources.Resolve(ctx, *src.ref)
	if err != nil {
		return Supply{}, err
	}
	if src.SHA256 != "" && src.SHA256 != found.SHA256 {
		return Supply{}, core.Errorf(core.CodeBadModel, "%s is offered with sha256 %s, but %s was expected. Nothing was downloaded; check the name and the expected value.", found.From, found.SHA256, src.SHA256)
	}
	u, err := url.Parse(found.URL)
	if err != nil {
		return Supply{}, core.Wrap(core.CodeInternal, err, "The address of %s cannot be made.", found.From)
	}
	src.found, src.ref, src.url, src.fetcher = found, nil, u, found.Doer
	src.SHA256, src.size = found.SHA256, found.Size
	src.file, src.from = naming.FileName(found.File), found.From
	for _, n := range found.Notes {
		progress(Progress{Status: n})
	}
	return src, nil
}

// Annotate lets what the server said of a model speak over its file, and returns what is still to be told about it.
func (src Supply) Annotate(man *core.Manifest) (note string) {
	f := src.found
	if f.URL == "" {
		return ""
	}
	if _, err := core.ParseModelName(src.alias); err != nil && src.alias != "" { // a registry's name is the model's own
		man.Aliases = append(man.Aliases, src.alias)
	}
	man.System, man.Defaults, man.Stop, man.Window = f.System, f.Defaults, slices.Clone(f.Stop), f.Window
	if f.License != "" {
		man.License = f.License
	}
	switch {
	case f.Template != "" && !usable(f.Template):
		note = "The template of the source is not one that can be used; the model file's own counts."
	case f.Template != "":
		man.Template = f.Template
		if man.Can(core.CapGenerate) && !man.Can(core.CapChat) {
			man.Capabilities = append(man.Capabilities, core.CapChat)
		}
	case f.Foreign && man.Template != "":
		note = "The source's template is in Go's template language and is not used; the chat template of the model file is."
	case f.Foreign:
		note = "The source's template is in Go's template language and cannot be used, and the model file has no chat template: the model completes text, but does not chat. `POST /api/create` can give it a Jinja template."
	}
	notes := slices.Clone(f.Notes)
	if note != "" {
		notes = append(notes, note)
	}
	if len(notes) > 0 {
		man.Labels = map[string]string{LabelNotes: strings.Join(notes, " ")}
	}
	return note
}

func usable(template string) bool {
	_, err := chat.Parse(template)
	return err == nil
}
