package auth

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ashatai/internal/core"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	ann := w.user("ann", core.AccountAdmin)
	_, admin := w.in("ann")
	text, k := w.key(admin, core.NewKey{Name: "laptop", Scopes: core.ScopeRead | core.ScopeInfer, Models: []string{"a:1", "b:2"}})
	if !strings.HasPrefix(text, "agp_live_") || len(text) != len("agp_live_")+64 || !strings.HasSuffix(text, k.Hint) {
		t.Errorf("key %q, hint %q", text, k.Hint)
	}
	if strings.Contains(fmt.Sprint(w.dump()), text[len("agp_live_"):]) {
		t.Error("the key itself is kept")
	}
	p := w.is(text)
	wanted := core.Principal{
		Tenant: ann.ID, User: ann.ID, Role: core.AccountAdmin, Key: k.ID, Proof: k.Hash, Class: core.ClassStandard, Scopes: core.ScopeRead | core.ScopeInfer, Models: "a:1 b:2",
	}
	if p != wanted {
		t.Errorf("%+v, want %+v", p, wanted)
	}
	if q := w.is(core.KeyAlias(text)); q != p || !strings.HasPrefix(core.KeyAlias(text), "hf_") {
		t.Errorf("by its alias %+v", q)
	}
	want(t, "another's", w.RevokeKey(t.Context(), "usr_other", k.ID), core.CodeNotFound)
	if err := w.RevokeKey(t.Context(), ann.ID, k.ID); err != nil {
		t.Error(err)
	}
	want(t, "again", w.RevokeKey(t.Context(), "", k.ID), core.CodeNotFound)
	_, err := w.Identify(t.Context(), text)
	want(t, "a revoked key", err, core.CodeUnauthenticated)
	if k, _, _ := w.store.Keys().Get(t.Context(), k.ID); w.KeyState(k) != "revoked" {
		t.Errorf("state %s", w.KeyState(k))
	}
}

// TestKeysGetAnotherSecret: the key stays what it is, and the secret before opens it for the grace time.
func TestKeysGetAnotherSecret(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	ann := w.user("ann", core.AccountAdmin)
	_, admin := w.in("ann")
	first, k := w.key(admin, core.NewKey{Name: "ci", Scopes: core.ScopeRead | core.ScopeInfer, Models: []string{"a:1"}})
	before := w.is(first)
	second, k2, err := w.RotateKey(t.Context(), admin, ann.ID, k.ID, time.Hour)
	if err != nil || k2.ID != k.ID || second == first || !strings.HasSuffix(second, k2.Hint) {
		t.Fatalf("%+v, %v", k2, err)
	}
	opens := func(secret, proof string) bool {
		p := before
		p.Proof = proof
		return w.is(secret) == p
	}
	if !opens(first, k.Hash) || !opens(second, k2.Hash) || k.Hash == k2.Hash {
		t.Error("a secret of the key opens something else")
	}
	w.clock.pass(time.Hour - time.Nanosecond)
	w.is(first)
	w.clock.pass(time.Nanosecond)
	_, err = w.Identify(t.Context(), first)
	want(t, "after the grace time", err, core.CodeUnauthenticated)
	third, k3, err := w.RotateKey(t.Context(), admin, "", k.ID, 0)
	if err != nil || !opens(third, k3.Hash) {
		t.Fatalf("%v", err)
	}
	for _, old := range []string{first, second} {
		_, err = w.Identify(t.Context(), old)
		want(t, "without a grace time", err, core.CodeUnauthenticated)
	}
	if strings.Contains(fmt.Sprint(w.dump()), third[len("agp_live_"):]) {
		t.Error("the secret itself is kept")
	}
	narrow, _ := w.key(admin, core.NewKey{Name: "narrow", Scopes: core.ScopeAdmin, Models: []string{"b:2"}})
	for what, c := range map[string]struct {
		maker core.Principal
		user  string
		id    string
		grace time.Duration
		code  core.Code
	}{
		"another's":         {admin, "usr_other", k.ID, 0, core.CodeNotFound},
		"none":              {admin, "", "key_9", 0, core.CodeNotFound},
		"before now":        {admin, "", k.ID, -1, core.CodeInvalidRequest},
		"too long":          {admin, "", k.ID, 91 * 24 * time.Hour, core.CodeInvalidRequest},
		"more than one has": {w.is(narrow), "", k.ID, 0, core.CodeForbidden},
	} {
		_, _, err := w.RotateKey(t.Context(), c.maker, c.user, c.id, c.grace)
		want(t, what, err, c.code)
	}
	if err := w.RevokeKey(t.Context(), "", k.ID); err != nil {
		t.Fatal(err)
	}
	_, _, err = w.RotateKey(t.Context(), admin, "", k.ID, 0)
	want(t, "revoked", err, core.CodeNotFound)
}

func TestKeysEnd(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	w.user("ann", core.AccountAdmin)
	_, p := w.in("ann")
	text, k := w.key(p, core.NewKey{Name: "x", Expires: w.clock.time().Add(time.Hour)})
	w.clock.pass(time.Hour - time.Nanosecond)
	w.is(text)
	if w.KeyState(k) != "active" {
		t.Errorf("state %s", w.KeyState(k))
	}
	w.clock.pass(time.Nanosecond)
	_, err := w.Identify(t.Context(), text)
	want(t, "an expired key", err, core.CodeUnauthenticated)
	if w.KeyState(k) != "expired" {
		t.Errorf("state %s", w.KeyState(k))
	}
}

// TestBarred: who may not go on with what outlives a request.
func TestBarred(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	w.user("ann", core.AccountAdmin)
	_, admin := w.in("ann")
	bob := w.user("bob", core.AccountUser)
	_, login := w.in("bob")
	byKey := func(n core.NewKey) core.Principal {
		n.User = bob.ID
		text, _ := w.key(admin, n)
		return w.is(text)
	}
	short, revoked, kept := byKey(core.NewKey{Name: "a", Expires: w.clock.time().Add(time.Hour)}), byKey(core.NewKey{Name: "b"}), byKey(core.NewKey{Name: "c"})
	turned, graced := byKey(core.NewKey{Name: "d"}), byKey(core.NewKey{Name: "e"})
	is := func(what string, code core.Code, list ...core.Principal) {
		t.Helper()
		for _, p := range list {
			want(t, what+" "+p.Key, w.Barred(t.Context(), p, core.ScopeInfer), code)
		}
	}
	is("nothing ended", "", short, revoked, kept, turned, graced, login, core.Local())
	second, _, err := w.RotateKey(t.Context(), admin, "", turned.Key, 0)
	_, _, graceErr := w.RotateKey(t.Context(), admin, "", graced.Key, time.Hour)
	if err := errors.Join(err, graceErr, w.RevokeKey(t.Context(), "", revoked.Key), w.End(t.Context(), "", login.Session)); err != nil {
		t.Fatal(err)
	}
	is("the secret was changed", core.CodeUnauthenticated, turned)
	is("the secret after it, and one with grace", "", w.is(second), graced)
	w.clock.pass(time.Hour)
	is("a key ended, or the grace of its secret", core.CodeUnauthenticated, short, revoked, graced)
	is("another's end", "", kept, login)
	role := func(r core.AccountRole) {
		t.Helper()
		if _, err := w.ChangeUser(t.Context(), bob.ID, core.UserChange{Role: &r}); err != nil {
			t.Fatal(err)
		}
	}
	role(core.AccountViewer)
	is("a lesser role", core.CodeForbidden, kept, login)
	role(core.AccountUser)
	is("the role again", "", kept, login)
	yes := true
	if _, err := w.ChangeUser(t.Context(), bob.ID, core.UserChange{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	is("the account is disabled", core.CodeUnauthenticated, kept, login)
	if err := w.DeleteUser(t.Context(), bob.ID); err != nil {
		t.Fatal(err)
	}
	is("the account is gone", core.CodeUnauthenticated, kept, login)
}

// TestAKeyNeverHasMoreThanItsUser, neither when it is made nor when its user loses something later.
func TestAKeyNeverHasMoreThanItsUser(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	w.user("ann", core.AccountAdmin)
	bob := w.user("bob", core.AccountOperator)
	_, admin := w.in("ann")
	_, p := w.in("bob")
	_, _, err := w.CreateKey(t.Context(), p, core.NewKey{Name: "x", Scopes: core.ScopeAdmin})
	want(t, "a scope that the user lacks", err, core.CodeForbidden)
	_, _, err = w.CreateKey(t.Context(), admin, core.NewKey{Name: "x", User: "bob", Scopes: core.ScopeAdmin})
	want(t, "the same by an admin", err, core.CodeForbidden)
	text, _ := w.key(admin, core.NewKey{Name: "x", User: bob.ID})
	if got := w.is(text); got.User != bob.ID || got.Scopes != core.AccountOperator.Scopes() {
		t.Errorf("%+v", got)
	}
	role := core.AccountViewer
	if _, err := w.ChangeUser(t.Context(), "bob", core.UserChange{Role: &role}); err != nil {
		t.Fatal(err)
	}
	if got := w.is(text); got.Scopes != core.ScopeRead {
		t.Errorf("after the demotion it has %v", got.Scopes)
	}
	off := true
	if _, err := w.ChangeUser(t.Context(), "bob", core.UserChange{Disabled: &off}); err != nil {
		t.Fatal(err)
	}
	_, err = w.Identify(t.Context(), text)
	want(t, "the key of a disabled account", err, core.CodeUnauthenticated)
}

// TestWhoMakesKeys: a key that leaked cannot make itself another one, and nobody makes one for others or with more.
func TestWhoMakesKeys(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	_, _, err := w.CreateKey(t.Context(), core.Local(), core.NewKey{Name: "x"})
	want(t, "before there are accounts", err, core.CodeConflict)
	w.user("ann", core.AccountAdmin)
	w.user("bob", core.AccountUser)
	_, admin := w.in("ann")
	_, p := w.in("bob")
	plain, _ := w.key(p, core.NewKey{Name: "x"})
	_, _, err = w.CreateKey(t.Context(), w.is(plain), core.NewKey{Name: "y"})
	want(t, "by a key", err, core.CodeForbidden)
	for _, ref := range []string{"ann", admin.User, "nobody", "usr_nobody"} {
		_, _, err = w.CreateKey(t.Context(), p, core.NewKey{Name: "y", User: ref})
		want(t, "for "+ref, err, core.CodeNotFound)
	}
	narrow, _ := w.key(admin, core.NewKey{Name: "x", Models: []string{"a:1"}})
	_, _, err = w.CreateKey(t.Context(), w.is(narrow), core.NewKey{Name: "y"})
	want(t, "for all models by a key for one", err, core.CodeForbidden)
	_, _, err = w.CreateKey(t.Context(), w.is(narrow), core.NewKey{Name: "y", Models: []string{"a:1", "b:2"}})
	want(t, "for another model", err, core.CodeForbidden)
	w.key(w.is(narrow), core.NewKey{Name: "y", Models: []string{"a:1"}})
	part, _ := w.key(admin, core.NewKey{Name: "x", Scopes: core.ScopeAdmin})
	_, _, err = w.CreateKey(t.Context(), w.is(part), core.NewKey{Name: "y", Scopes: core.ScopeInfer})
	want(t, "a scope that the making key lacks", err, core.CodeForbidden)
}

func TestWhatAKeyMayNotBe(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	w.user("ann", core.AccountAdmin)
	_, p := w.in("ann")
	for what, n := range map[string]core.NewKey{
		"a long name":    {Name: strings.Repeat("x", 101)},
		"an odd name":    {Name: "a\nb"},
		"ended":          {Expires: w.clock.time()},
		"endless":        {Expires: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)},
		"no model":       {Models: []string{""}},
		"two in one":     {Models: []string{"a b"}},
		"many models":    {Models: make([]string, 65)},
		"a long model":   {Models: []string{strings.Repeat("x", 300)}},
		"a broken model": {Models: []string{"a\x00"}},
	} {
		_, _, err := w.CreateKey(t.Context(), p, n)
		want(t, what, err, core.CodeInvalidRequest)
	}
	for range maxKeys {
		w.key(p, core.NewKey{Name: "x"})
	}
	_, _, err := w.CreateKey(t.Context(), p, core.NewKey{Name: "x"})
	want(t, "keys without end", err, core.CodeConflict)
}

func TestCredentialsThatAreNone(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	w.user("ann", core.AccountAdmin)
	_, p := w.in("ann")
	text, k := w.key(p, core.NewKey{Name: "x"})
	hash := digest(text[len("agp_live_"):])
	for _, c := range []string{
		"", "agp_live_", text[:len(text)-1], text + "0", strings.ToUpper(text), "agp_test_" + text[9:], "ags_" + text[9:], text[9:], k.ID, p.Session, hash, "agp_live_" + hash, " " + text,
		"agp_live_" + strings.Repeat("g", 64),
	} {
		_, err := w.Identify(t.Context(), c)
		want(t, fmt.Sprintf("%.12q", c), err, core.CodeUnauthenticated)
	}
	_, err := w.Validate(t.Context(), text)
	want(t, "a key as a session", err, core.CodeUnauthenticated)
}

func FuzzSecretOf(f *testing.F) {
	f.Add("agp_live_" + strings.Repeat("0", 64))
	f.Add("hf_" + strings.Repeat("f", 64))
	f.Add("ags_x")
	f.Fuzz(func(t *testing.T, s string) {
		kind, secret := secretOf(s)
		if kind == kindNone {
			return
		}
		if len(secret) != 64 || !strings.HasSuffix(s, secret) || strings.Trim(secret, "0123456789abcdef") != "" {
			t.Errorf("%q is a credential with the secret %q", s, secret)
		}
	})
}
