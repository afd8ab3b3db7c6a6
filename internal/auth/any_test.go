package auth

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/store"
)

// asked counts how often a database is asked whether there are accounts, and can lose the answer of a making.
type asked struct {
	store.Accounts
	any  atomic.Int32
	lose atomic.Bool
}

type askedUsers struct {
	store.Users
	a *asked
}

func (a *asked) Users() store.Users { return askedUsers{a.Accounts.Users(), a} }

func (u askedUsers) Any(ctx context.Context) (bool, error) {
	u.a.any.Add(1)
	return u.Users.Any(ctx)
}

func (u askedUsers) Create(ctx context.Context, a core.User, first bool) error {
	err := u.Users.Create(ctx, a, first)
	if err == nil && u.a.lose.Load() {
		return errors.New("the connection was lost at COMMIT")
	}
	return err
}

// TestWhetherThereAreAccounts: the database is asked once a second at most, and an account counts as soon as it is made, also where its maker
// was not told that it was.
func TestWhetherThereAreAccounts(t *testing.T) {
	for name, lose := range map[string]bool{"told": false, "not told": true} {
		t.Run(name, func(t *testing.T) {
			var db *asked
			w := open(t, func(c *Config) { db = &asked{Accounts: c.Store}; c.Store = db })
			some := func(want bool, times int32) {
				t.Helper()
				for range 10 {
					if got, err := w.Any(t.Context()); got != want || err != nil {
						t.Fatalf("%v, %v", got, err)
					}
				}
				if n := db.any.Load(); n != times {
					t.Errorf("the database was asked %d times, want %d", n, times)
				}
			}
			some(false, 1)
			w.clock.pass(time.Second)
			some(false, 2)
			db.lose.Store(lose)
			_, err := w.CreateUser(t.Context(), core.NewUser{Name: "ann", Role: core.AccountAdmin, Password: horse})
			if (err != nil) != lose {
				t.Fatal(err)
			}
			if lose {
				some(true, 3)
			} else {
				some(true, 2)
			}
		})
	}
}

// TestAskedWhileAnAccountIsMade: an answer that was on its way when an account was made is not remembered.
func TestAskedWhileAnAccountIsMade(t *testing.T) {
	w := open(t, nil)
	slow := &slowUsers{Users: w.users, asked: make(chan struct{}), on: make(chan struct{})}
	w.users = slow
	got := make(chan bool)
	go func() {
		some, err := w.Any(t.Context())
		got <- some || err != nil
	}()
	<-slow.asked
	slow.lose = true
	if _, err := w.create(t.Context(), core.NewUser{Name: "ann", Role: core.AccountAdmin, Password: horse}, true); err == nil {
		t.Fatal("the making was told")
	}
	close(slow.on)
	if <-got {
		t.Error("the answer from before says that there are accounts")
	}
	if some, err := w.Any(t.Context()); !some || err != nil {
		t.Errorf("afterwards: %v, %v", some, err)
	}
}

// slowUsers answer whether there are accounts as it was when they were asked, and only when they are let.
type slowUsers struct {
	store.Users
	asked, on chan struct{}
	lose      bool
	before    atomic.Bool
}

func (u *slowUsers) Any(ctx context.Context) (bool, error) {
	some, err := u.Users.Any(ctx)
	if !u.before.Swap(true) {
		close(u.asked)
		<-u.on
	}
	return some, err
}

func (u *slowUsers) Create(ctx context.Context, a core.User, first bool) error {
	if err := u.Users.Create(ctx, a, first); err != nil || !u.lose {
		return err
	}
	return errors.New("the connection was lost at COMMIT")
}
