package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	"ashatai/internal/core"
)

// Hash is the hash of a row behind one with the hash prev: SHA-256, as lower-case hex, over netstrings (LENGTH:BYTES, with a
// comma behind) of the fields in the order below. Whoever has an export can compute it with a few lines of any language.
func Hash(prev string, r core.AuditRow) string {
	h := sha256.New()
	for _, field := range []string{
		"ashatai audit 1", prev, number(r.Seq), number(r.Time.UnixNano()), number(r.Act), r.Tenant, r.User, r.Key, r.Session,
		r.Action, r.Kind, r.Object, r.Remote, r.Request, number(int64(r.Status)), r.Detail,
	} {
		_, _ = fmt.Fprintf(h, "%d:%s,", len(field), field) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// signed is what a checkpoint's signature is over.
func signed(c core.AuditCheckpoint) []byte {
	return fmt.Appendf(nil, "ashatai audit checkpoint 1\n%d\n%s\n%d\n", c.Seq, c.Hash, c.Time.UnixNano())
}

// sign makes the checkpoint on a row.
func sign(key ed25519.PrivateKey, c core.AuditCheckpoint) core.AuditCheckpoint {
	c.Key = public(key)
	c.Signature = hex.EncodeToString(ed25519.Sign(key, signed(c)))
	return c
}

// public is the public half of a key, as lower-case hex.
func public(key ed25519.PrivateKey) string {
	p, _ := key.Public().(ed25519.PublicKey)
	return hex.EncodeToString(p)
}

// signs reports whether a public key made a signature over a text, both of them in hex.
func signs(key, signature string, text []byte) bool {
	k, err := hex.DecodeString(key)
	if err != nil || len(k) != ed25519.PublicKeySize {
		return false
	}
	sig, err := hex.DecodeString(signature)
	return err == nil && ed25519.Verify(k, text, sig)
}

// Report is what a look over the chain found.
type Report struct {
	Rows        int64  // looked at, the bad one included
	Last        int64  // number of the last good row
	Head        string // its hash
	Checkpoints int64  // that hold
	Signed      core.AuditCheckpoint
	Bad         int64  // number of the first bad row; 0: none
	Problem     string // what is wrong with it, a sentence; empty: nothing
}

// Verifier looks over a chain row by row, from the first. Trusted is the public key, as hex, that the last checkpoints must be
// of; those before it are of the keys that were handed over to it. Empty: any.
type Verifier struct {
	Trusted string

	report  Report
	pending []core.AuditCheckpoint // not reached yet, in order
	key     string                 // that signs here; empty before the first checkpoint
	since   int64                  // row of the first checkpoint or handover of that key
}

// Checkpoint takes the next checkpoint, before the row that it covers. It returns whether there is more to look for.
func (v *Verifier) Checkpoint(c core.AuditCheckpoint) bool {
	if v.report.Problem != "" {
		return false
	}
	if !signs(c.Key, c.Signature, signed(c)) {
		return v.bad(c.Seq, "The checkpoint on row %d does not have the signature of the key that it names: it was changed or forged.", c.Seq)
	}
	v.pending = append(v.pending, c)
	return true
}

// Row takes the next row. It returns whether there is more to look for.
func (v *Verifier) Row(r core.AuditRow) bool {
	if v.report.Problem != "" {
		return false
	}
	v.report.Rows++
	want, prev := v.report.Last+1, v.report.Head
	switch {
	case r.Seq != want:
		return v.bad(want, "Row %d is missing: row %d follows row %d.", want, r.Seq, v.report.Last)
	case r.Hash != Hash(prev, r):
		return v.bad(r.Seq, "Row %d was changed, or is not the row that followed row %d: its hash is wrong.", r.Seq, v.report.Last)
	case r.Act < 0 || r.Act >= r.Seq:
		return v.bad(r.Seq, "Row %d is the outcome of no row before it.", r.Seq)
	}
	v.report.Last, v.report.Head = r.Seq, r.Hash
	if r.Action == HandoverAction && !v.handover(r, prev) {
		return false
	}
	for len(v.pending) > 0 && v.pending[0].Seq <= r.Seq {
		c := v.pending[0]
		v.pending = v.pending[1:]
		if !v.reached(c, r) {
			return false
		}
	}
	return true
}

// reached looks at a checkpoint whose row is there.
func (v *Verifier) reached(c core.AuditCheckpoint, r core.AuditRow) bool {
	if c.Seq != r.Seq || c.Hash != r.Hash {
		first := v.report.Signed.Seq + 1
		v.report.Last = v.report.Signed.Seq
		return v.bad(first, "Rows %d to %d are not those that the server signed: the chain was written anew from row %d or later.", first, c.Seq, first)
	}
	switch {
	case v.key == "":
		v.key, v.since = c.Key, c.Seq
	case c.Key == v.key:
	case c.Key == v.Trusted:
		return v.notOurs()
	default:
		return v.bad(c.Seq, "The checkpoint on row %d was signed by the key %.16s…, which is not the key %.16s… of this server.", c.Seq, c.Key, v.key)
	}
	v.report.Checkpoints++
	v.report.Signed = c
	return true
}

// notOurs tells that the key that signs here is not the server's and was not handed over to it.
func (v *Verifier) notOurs() bool {
	return v.bad(v.since, "The checkpoint on row %d was signed by the key %.16s…, which is not the key %.16s… of this server.", v.since, v.key, v.Trusted)
}

func (v *Verifier) bad(row int64, format string, args ...any) bool {
	v.report.Bad, v.report.Problem = row, fmt.Sprintf(format, args...)
	return false
}

// End says what was found once all rows were seen.
func (v *Verifier) End() Report {
	if v.report.Problem == "" && len(v.pending) > 0 {
		last := v.pending[len(v.pending)-1]
		v.bad(v.report.Last+1, "Row %d is missing: the chain ends at row %d, and the server signed it up to row %d.", v.report.Last+1, v.report.Last, last.Seq)
	}
	if v.report.Problem == "" && v.Trusted != "" && v.key != "" && v.key != v.Trusted {
		v.notOurs()
	}
	return v.report
}
