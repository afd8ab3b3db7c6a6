package convo

import (
	"context"

	"ashatai/internal/core"
	"ashatai/internal/store"
)

func ownerOf(p core.Principal) store.Owner { return store.Owner{Tenant: p.Tenant, User: p.User} }

func missing(kind core.StoredKind, id string) *core.Error {
	return core.Errorf(core.CodeNotFound, "There is no stored %s %q; it may have been deleted, or its time is over.", kind, id)
}

// stamp fills in what the service knows of a new object.
func (s *Service) stamp(p core.Principal, o core.Stored) core.Stored {
	o.Tenant, o.User = p.Tenant, p.User
	if o.Created.IsZero() {
		o.Created = s.cfg.Now()
	}
	o.Updated = s.cfg.Now()
	return o
}

// Keep stores a new object that is done and adds items to it and to others of the same owner, all or nothing. Owner and
// times are filled in.
func (s *Service) Keep(ctx context.Context, p core.Principal, o core.Stored, add []core.StoredAdd) error {
	return s.objects.Put(ctx, s.stamp(p, o), add)
}

// Get returns an object of its owner. Errors: CodeNotFound.
func (s *Service) Get(ctx context.Context, p core.Principal, kind core.StoredKind, id string) (core.Stored, error) {
	running := s.find(id) != nil // before the row is read: a run is on disk before it stops being one
	o, ok, err := s.objects.Get(ctx, ownerOf(p), id)
	if err != nil {
		return o, err
	}
	if !ok || o.Kind != kind {
		return o, missing(kind, id)
	}
	if o.State == core.StoredRunning && !running {
		o.State = core.StoredLost // its end could not be written
	}
	return o, nil
}

// Relabel puts new labels on an object and returns it. Errors: CodeNotFound.
func (s *Service) Relabel(ctx context.Context, p core.Principal, kind core.StoredKind, id string, labels map[string]string) (core.Stored, error) {
	o, err := s.Get(ctx, p, kind, id)
	if err != nil {
		return o, err
	}
	ok, err := s.objects.SetMetadata(ctx, ownerOf(p), id, labels, s.cfg.Now())
	if err == nil && !ok {
		err = missing(kind, id)
	}
	o.Metadata = labels
	return o, err
}

// Delete removes an object; one that is being made is ended first. Errors: CodeNotFound.
func (s *Service) Delete(ctx context.Context, p core.Principal, kind core.StoredKind, id string) error {
	if _, err := s.Get(ctx, p, kind, id); err != nil {
		return err
	}
	if err := s.end(ctx, id); err != nil {
		return err
	}
	ok, err := s.objects.Delete(ctx, ownerOf(p), id)
	if err == nil && !ok {
		err = missing(kind, id)
	}
	return err
}

// List returns a page of an owner's objects, and whether there are more. Errors: CodeNotFound for an unknown After.
func (s *Service) List(ctx context.Context, p core.Principal, f core.StoredFilter) ([]core.Stored, bool, error) {
	return s.objects.List(ctx, ownerOf(p), f)
}

// Items is the side of a Service that reads and changes what objects are made of.
type Items struct{ s *Service }

// Items returns that side.
func (s *Service) Items() Items { return Items{s} }

// Add adds items to the end of an object. Errors: CodeNotFound.
func (i Items) Add(ctx context.Context, p core.Principal, kind core.StoredKind, object string, list []core.StoredItem) error {
	if _, err := i.s.Get(ctx, p, kind, object); err != nil {
		return err
	}
	ok, err := i.s.items.Add(ctx, ownerOf(p), object, list, i.s.cfg.Now())
	if err == nil && !ok {
		err = missing(kind, object)
	}
	return err
}

// Get returns an item of an object, or of any of its owner's where object is empty. Errors: CodeNotFound.
func (i Items) Get(ctx context.Context, p core.Principal, object, id string) (core.StoredItem, error) {
	it, ok, err := i.s.items.Get(ctx, ownerOf(p), object, id)
	if err == nil && !ok {
		err = core.Errorf(core.CodeNotFound, "There is no stored item %q.", id)
	}
	return it, err
}

// Delete removes an item of an object. Errors: CodeNotFound.
func (i Items) Delete(ctx context.Context, p core.Principal, object, id string) error {
	ok, err := i.s.items.Delete(ctx, ownerOf(p), object, id, i.s.cfg.Now())
	if err == nil && !ok {
		err = core.Errorf(core.CodeNotFound, "There is no item %q in %s.", id, object)
	}
	return err
}

// List returns a page of an object's items, and whether there are more.
func (i Items) List(ctx context.Context, p core.Principal, object string, page core.StoredPage) ([]core.StoredItem, bool, error) {
	return i.s.items.List(ctx, ownerOf(p), object, page)
}

// History returns everything that was said in an object and in those that it continues, the oldest first. Errors:
// CodeNotFound, CodeInvalidRequest for more than a request may hold.
func (i Items) History(ctx context.Context, p core.Principal, object string) ([]core.StoredItem, error) {
	return i.s.items.History(ctx, ownerOf(p), object, maxHistory)
}
