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
	public, _ := key.Public().(ed25519.PublicKey)
	c.Key = hex.EncodeToString(public)
	c.Signature = hex.EncodeToString(ed25519.Sign(key, signed(c)))
	return c
}

// valid reports whether a checkpoint was signed by the key that it names.
func valid(c core.AuditCheckpoint) bool {
	key, err := hex.DecodeString(c.Key)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return false
	}
	sig, err := hex.DecodeString(c.Signature)
	return err == nil && ed25519.Verify(key, signed(c), sig)
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

// Verifier looks over a chain row by row, from the first. Trusted is the public key, as hex, whose checkpoints count; empty:
// that of the first checkpoint.
type Verifier struct {
	Trusted string

	report  Report
	pending []core.AuditCheckpoint // not reached yet, in order
}

// Checkpoint takes the next checkpoint, before the row that it covers. It returns whether there is more to look for.
func (v *Verifier) Checkpoint(c core.AuditCheckpoint) bool {
	if v.report.Problem != "" {
		return false
	}
	if v.Trusted == "" {
		v.Trusted = c.Key
	}
	switch {
	case !valid(c):
		return v.bad(c.Seq, "The checkpoint on row %d does not have the signature of the key that it names: it was changed or forged.", c.Seq)
	case c.Key != v.Trusted:
		return v.bad(c.Seq, "The checkpoint on row %d was signed by the key %.16s…, which is not the key %.16s… of this server.", c.Seq, c.Key, v.Trusted)
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
	want := v.report.Last + 1
	switch {
	case r.Seq != want:
		return v.bad(want, "Row %d is missing: row %d follows row %d.", want, r.Seq, v.report.Last)
	case r.Hash != Hash(v.report.Head, r):
		return v.bad(r.Seq, "Row %d was changed, or is not the row that followed row %d: its hash is wrong.", r.Seq, v.report.Last)
	case r.Act < 0 || r.Act >= r.Seq:
		return v.bad(r.Seq, "Row %d is the outcome of no row before it.", r.Seq)
	}
	v.report.Last, v.report.Head = r.Seq, r.Hash
	for len(v.pending) > 0 && v.pending[0].Seq <= r.Seq {
		c := v.pending[0]
		v.pending = v.pending[1:]
		if c.Seq != r.Seq || c.Hash != r.Hash {
			first := v.report.Signed.Seq + 1
			v.report.Last = v.report.Signed.Seq
			return v.bad(first, "Rows %d to %d are not those that the server signed: the chain was written anew from row %d or later.", first, c.Seq, first)
		}
		v.report.Checkpoints++
		v.report.Signed = c
	}
	return true
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
	return v.report
}
