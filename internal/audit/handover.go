package audit

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"ashatai/internal/core"
)

// HandoverAction is the action of the row with which the server's key hands the signing over to another. Its object is the new
// public key, as hex; its detail names the old one and has that one's signature. The new key signs the row, as a checkpoint.
const HandoverAction = "server key handed over"

const handoverKind = "server_key"

// handed is what the old key signs: that the new one follows it behind the row before seq, which has the hash prev.
func handed(seq int64, prev, next string) []byte {
	return fmt.Appendf(nil, "ashatai audit handover 1\n%d\n%s\n%s\n", seq, prev, next)
}

const handoverForm = "from %s signed %s"

// Handover makes the row behind the newest with which this server's key hands over to another, and what the other signs.
type Handover = func(last core.AuditRow) (core.AuditRow, core.AuditCheckpoint)

// HandOver gives the signing to another key. Write keeps what the handover makes in one transaction, with whatever else changes
// with the key; it may call it several times. No row is added meanwhile, and none of the old key's signatures comes later.
func (s *Service) HandOver(ctx context.Context, to ed25519.PrivateKey, write func(Handover) error) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	var c core.AuditCheckpoint
	err := write(func(last core.AuditRow) (core.AuditRow, core.AuditCheckpoint) {
		from, next := *s.key.Load(), public(to)
		r := s.behind(last, core.AuditRow{
			Action: HandoverAction, Kind: handoverKind, Object: next, Status: http.StatusOK,
			Detail: fmt.Sprintf(handoverForm, public(from), hex.EncodeToString(ed25519.Sign(from, handed(last.Seq+1, last.Hash, next)))),
		})
		c = sign(to, core.AuditCheckpoint{Seq: r.Seq, Hash: r.Hash, Time: r.Time})
		return r, c
	})
	if err != nil {
		return err
	}
	s.key.Store(&to)
	s.tell(ctx, c)
	return nil
}

// handover looks at a row that hands the key over behind a row with the hash prev. It counts only where both keys signed it.
func (v *Verifier) handover(r core.AuditRow, prev string) bool {
	rest, _ := strings.CutPrefix(r.Detail, "from ")
	from, signature, _ := strings.Cut(rest, " signed ")
	switch {
	case !signs(from, signature, handed(r.Seq, prev, r.Object)):
		return v.bad(r.Seq, "Row %d hands the server's key over, and the old key %.16s… did not sign that.", r.Seq, from)
	case v.key != "" && from != v.key:
		return v.bad(r.Seq, "Row %d hands over the key %.16s…, which is not the key %.16s… of this server.", r.Seq, from, v.key)
	case len(v.pending) == 0 || v.pending[0].Seq != r.Seq || v.pending[0].Key != r.Object:
		return v.bad(r.Seq, "Row %d hands the server's key over, and the new key %.16s… did not sign that.", r.Seq, r.Object)
	}
	v.key, v.since = r.Object, r.Seq
	return true
}
