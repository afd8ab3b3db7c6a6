package models

import (
	"context"
	"errors"
	"slices"
	"strings"

	"ashatai/internal/blob"
	"ashatai/internal/chat"
	"ashatai/internal/core"
	"ashatai/internal/models/facts"
	"ashatai/internal/models/get"
	"ashatai/internal/models/inventory"
	"ashatai/internal/models/naming"
)

// CreateRequest says what a new model is: another one, or an uploaded file, with changes.
type CreateRequest struct {
	Name     string        // of the new model; one that was pulled or created is replaced
	From     string        // an installed model; empty: SHA256 is set
	SHA256   string        // of a file that PutBlob stored
	System   string        // empty: as From has it
	Template string        // Jinja; empty: as From, or the file, has it
	License  string        // empty: likewise
	Defaults core.Sampling // before those of From
	Stop     []string      // nil: those of From
	Window   int           // tokens per sequence; 0: that of From
	Messages []core.Turn   // nil: those of From
}

// The steps of a creation, besides get.StatusManifest.
const (
	StatusReading = "reading model metadata"
	StatusFile    = "using existing layer sha256:" // with the file's sha256 behind it
)

// LabelParent is the label that names the model a model was made from.
const LabelParent = "parent"

// Create makes a model of what is here already. No bytes are copied but those of a file in the models folder, which its
// owner may change or delete. Progress may be nil. Errors: CodeModelNotFound for From, CodeNotFound for SHA256,
// CodeConflict for the name of a file that is not ours to replace, CodeInvalidRequest for a template that is none,
// CodeBadModel for an uploaded file that is refused.
func (m *Models) Create(ctx context.Context, req CreateRequest, progress func(status string)) (man *core.Manifest, err error) {
	if progress == nil {
		progress = func(string) {}
	}
	n, err := core.ParseModelName(req.Name)
	if err != nil {
		return nil, err
	}
	if err := m.nameIsOurs(n.String()); err != nil {
		return nil, err
	}
	progress(StatusReading)
	digest, loose, err := m.basis(req)
	if err != nil {
		return nil, err
	}
	stays := false
	m.hold(digest)
	defer func() { err = errors.Join(err, m.release(ctx, digest, stays)) }()
	if loose != "" {
		if _, err := m.cfg.Blobs.Add(ctx, blob.AddRequest{Path: loose, Want: digest}); err != nil {
			return nil, err
		}
	}
	if man, err = m.base(req); err != nil {
		return nil, err
	}
	stays = req.From == "" // the file is good: whoever sent it need not do so again for what is wrong with the rest
	progress(StatusFile + man.Digest)
	naming.Identify(man, n.String(), strings.NewReplacer("/", "-", ":", "-").Replace(n.String())+facts.Suffix, man.Digest, man.Files[0].Size, man.Source, m.cfg.Now())
	man.Aliases = nil // a file's name stays the original's alone
	if err := req.change(man); err != nil {
		return nil, err
	}
	if err := m.nameIsOurs(man.Name); err != nil {
		return nil, err
	}
	if err := m.share(ctx, man, func(get.Progress) {}); err != nil {
		stays = true
		return nil, err
	}
	return m.commit(ctx, man, func() { progress(get.StatusManifest) })
}

// Copy gives an installed model a second name. The errors are those of Create.
func (m *Models) Copy(ctx context.Context, from, to string) (*core.Manifest, error) {
	return m.Create(ctx, CreateRequest{Name: to, From: from}, nil)
}

// nameIsOurs refuses the name of a model that was neither pulled nor created.
func (m *Models) nameIsOurs(name string) error {
	if err := m.now.Load().Free(name); err != nil {
		return err
	}
	if e := m.now.Load().Named(name); e != nil && e.Origin != inventory.Pulled && e.Origin != inventory.Elsewhere {
		return core.Errorf(core.CodeConflict, "The model name %s belongs to the file %s; choose another name.", e.Short(), e.Path)
	}
	return nil
}

// basis finds the file that a creation starts from. loose is its path where it must become a blob first.
func (m *Models) basis(req CreateRequest) (digest, loose string, err error) {
	if req.From == "" {
		if !blob.ValidSHA256(req.SHA256) {
			return "", "", core.Invalid("sha256", "%.80q is not a sha256; it is written as 64 hexadecimal digits.", req.SHA256)
		}
		return req.SHA256, "", nil
	}
	e, err := m.now.Load().Lookup(req.From)
	if err != nil {
		return "", "", err
	}
	if e.Origin == inventory.Elsewhere {
		return "", "", errElsewhere(e)
	}
	if e.Origin == inventory.Hand {
		loose = e.Path
	}
	return e.Manifest.Digest, loose, nil
}

// base is the manifest that a creation starts from, a copy.
func (m *Models) base(req CreateRequest) (*core.Manifest, error) {
	if req.From == "" {
		return m.get.DescribeBlob(get.Uploaded(), req.SHA256)
	}
	e, err := m.now.Load().Lookup(req.From)
	if err != nil {
		return nil, err
	}
	man := *e.Manifest
	man.Files = slices.Clone(man.Files)
	man.Capabilities = slices.Clone(man.Capabilities)
	man.Messages = slices.Clone(man.Messages)
	man.Labels = map[string]string{LabelParent: e.Manifest.Name}
	return &man, nil
}

// change applies what a request says about a manifest.
func (req CreateRequest) change(man *core.Manifest) error {
	if err := req.Defaults.Validate(); err != nil {
		return err
	}
	if err := (&core.Request{Stop: req.Stop}).Validate(); err != nil {
		return err
	}
	man.Defaults = req.Defaults.Over(man.Defaults)
	for _, set := range []struct {
		dst *string
		v   string
	}{{&man.System, req.System}, {&man.Template, req.Template}, {&man.License, req.License}} {
		if set.v != "" {
			*set.dst = set.v
		}
	}
	if req.Stop != nil {
		man.Stop = slices.Clone(req.Stop)
	}
	if req.Window > 0 {
		man.Window = req.Window
	}
	if err := checkTurns(req.Messages); err != nil {
		return err
	}
	if req.Messages != nil {
		man.Messages = slices.Clone(req.Messages)
	}
	return req.retemplate(man)
}

// checkTurns bounds the messages of a model.
func checkTurns(turns []core.Turn) error {
	const most, mostBytes = 1024, 1 << 20
	size := 0
	for i, t := range turns {
		switch t.Role { //nolint:exhaustive // the three roles that a message of a model can have
		case core.RoleSystem, core.RoleUser, core.RoleAssistant:
		default:
			return core.Invalid("messages", "Message %d of the model has the role %.40q; the roles are system, user and assistant.", i, t.Role)
		}
		if t.Content == "" {
			return core.Invalid("messages", "Message %d of the model is empty.", i)
		}
		size += len(t.Content)
	}
	if len(turns) > most || size > mostBytes {
		return core.Invalid("messages", "The model would bring %d messages of %d bytes; at most %d of %d are allowed.", len(turns), size, most, mostBytes)
	}
	return nil
}

func (req CreateRequest) retemplate(man *core.Manifest) error {
	if req.Template == "" {
		return nil
	}
	if _, err := chat.Parse(req.Template); err != nil {
		hint := ""
		if strings.Contains(req.Template, "{{ .") || strings.Contains(req.Template, "{{.") || strings.Contains(req.Template, "{{-") {
			hint = " It looks like one in Go's template language; templates here are Jinja, as model files carry them."
		}
		return core.Wrap(core.CodeInvalidRequest, err, "The template cannot be used: %s%s", core.AsError(err).Message, hint)
	}
	if man.Can(core.CapGenerate) && !man.Can(core.CapChat) {
		man.Capabilities = append(man.Capabilities, core.CapChat)
	}
	return nil
}
