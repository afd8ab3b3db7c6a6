package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/audit"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/store"
)

// Own is an act of the server itself, or of whoever may read and write its home.
func Own(action string) audit.Act { return audit.Act{Who: core.Local(), Action: action} }

// Do does an act that is no call: one row before it, one with its outcome. Without the first it is not done.
func Do(ctx context.Context, chain *audit.Service, a audit.Act, do func(ctx context.Context) (detail string, err error)) error {
	row, err := chain.Begin(ctx, a)
	if err != nil {
		code := core.CodeUnavailable
		if core.CodeOf(err) == core.CodeDiskFull {
			code = core.CodeDiskFull
		}
		return core.Wrap(code, err, "The record of acts cannot be written, so this is not done: %s: %s", a.Action, core.AsError(err).Message)
	}
	o := audit.Outcome{Status: http.StatusOK}
	o.Detail, err = do(ctx)
	if err != nil {
		o.Status = api.Status(core.CodeOf(err))
	}
	if failed := chain.End(ctx, row, o); failed != nil {
		return errors.Join(err, failed)
	}
	return err
}

// Finish adds the outcome to the newest act of a name, in a record that was copied while the act went on.
func Finish(ctx context.Context, chain *audit.Service, action string) error {
	acts, _, err := chain.Acts(ctx, core.AuditFilter{Action: action, Outcome: core.AuditOpen, Limit: 1})
	if err != nil || len(acts) == 0 {
		return err
	}
	return chain.End(ctx, acts[0].AuditRow, audit.Outcome{Status: http.StatusOK})
}

// Listed is a list in words for an act's detail, or nothing where it is empty.
func Listed(what string, list []string) string {
	if len(list) == 0 {
		return ""
	}
	return what + ": " + strings.Join(list, ", ") + "; "
}

// settingsKey is where the database keeps the sums of the settings of the last start, as a JSON object by name.
const settingsKey = "settings"

// Changed lists the settings that somebody said otherwise than at the last start, says no more or says anew, and keeps those of this
// one. Of credentials it knows only whether there is one, and the name of one that is sealed.
func Changed(ctx context.Context, meta store.Meta, s *config.Settings) ([]string, error) {
	now, before := map[string]string{}, map[string]string{}
	for _, v := range s.Values() {
		if v.Source != config.FromDefault {
			sum := sha256.Sum256(fmt.Append(nil, v.Value))
			const size = 8 // enough to see a change by
			now[v.Key] = hex.EncodeToString(sum[:size])
		}
	}
	text, known, err := meta.Get(ctx, settingsKey)
	if err != nil {
		return nil, err
	}
	if known {
		if err := json.Unmarshal([]byte(text), &before); err != nil {
			return nil, err
		}
	}
	next, err := json.Marshal(now)
	if err != nil || string(next) == text {
		return nil, err
	}
	keys := maps.Clone(before)
	maps.Copy(keys, now)
	changed := slices.Sorted(maps.Keys(keys))
	changed = slices.DeleteFunc(changed, func(k string) bool { return now[k] == before[k] })
	return changed, meta.Set(ctx, settingsKey, string(next))
}
