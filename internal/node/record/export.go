package record

import (
	"context"
	"encoding/json"
	"time"

	"ashatai/internal/api/v1/identity"
	"ashatai/internal/core"
	"ashatai/internal/store"
)

const exportPage = 200

// Kept is what people stored.
type Kept struct{ DB store.DB }

// Of gathers what an account stored, for its export.
func (k Kept) Of(ctx context.Context, u core.User) ([]identity.Kept, error) {
	who := store.Owner{Tenant: u.Tenant(), User: u.ID}
	out := []identity.Kept{}
	for _, kind := range []core.StoredKind{core.StoredChat, core.StoredResponse, core.StoredConversation} {
		for after, more := "", true; more; {
			var list []core.Stored
			var err error
			f := core.StoredFilter{Kind: kind, StoredPage: core.StoredPage{After: after, Limit: exportPage}}
			if list, more, err = k.DB.Objects().List(ctx, who, f); err != nil {
				return nil, err
			}
			for _, o := range list {
				items, err := k.itemsOf(ctx, who, o.ID)
				if err != nil {
					return nil, err
				}
				after = o.ID
				out = append(out, identity.Kept{
					ID: o.ID, Kind: o.Kind, Model: o.Model, Created: o.Created.Format(time.RFC3339), Metadata: o.Metadata,
					Body: json.RawMessage(o.Body), Items: items,
				})
			}
		}
	}
	return out, nil
}

func (k Kept) itemsOf(ctx context.Context, who store.Owner, object string) ([]json.RawMessage, error) {
	out := []json.RawMessage{}
	for after, more := "", true; more; {
		var list []core.StoredItem
		var err error
		if list, more, err = k.DB.Items().List(ctx, who, object, core.StoredPage{After: after, Limit: exportPage}); err != nil {
			return nil, err
		}
		for _, i := range list {
			after = i.ID
			out = append(out, json.RawMessage(i.Body))
		}
	}
	return out, nil
}
