package auth

import (
	"strconv"
	"testing"
	"time"
)

// TestTriesCannotBeFlooded: strangers with ever new names take no room from others, do not make the memory grow, and make
// nobody be forgotten who has more against him.
func TestTriesCannotBeFlooded(t *testing.T) {
	const most = 100
	pair, _, _ := tryRates()
	tr, now := tries{most: most}, time.Unix(1000, 0)
	take := func(name string) error { return tr.take(now, []string{name}, []rate{pair}) }
	for range pair.burst {
		if err := take("guessed"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 * most {
		if err := take(strconv.Itoa(i)); err != nil {
			t.Fatalf("stranger %d is refused: %v", i, err)
		}
		if err := take("guessed"); err == nil {
			t.Fatalf("after %d strangers the one who guesses is let in again", i)
		}
	}
	if n := len(tr.of(pair).by); n != most || len(tr.of(pair).order) != n {
		t.Errorf("%d subjects are kept", n)
	}
	now = now.Add(pair.each)
	if err := take("guessed"); err != nil {
		t.Errorf("a try is given back: %v", err)
	}
	tr.succeeded("guessed")
	for range pair.burst {
		if err := take("guessed"); err != nil {
			t.Errorf("all are given back: %v", err)
		}
	}
	now = now.Add(time.Hour)
	if err := take("late"); err != nil || len(tr.of(pair).by) != 1 {
		t.Errorf("%v, %d subjects are kept", err, len(tr.of(pair).by))
	}
}
