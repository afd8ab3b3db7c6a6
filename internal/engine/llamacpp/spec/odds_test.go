package spec

import "testing"

// TestARecordOfFailuresEndsDrafts: what is all but certain is tried from the start, and no longer where it does not come true.
func TestARecordOfFailuresEndsDrafts(t *testing.T) {
	var r Record
	n := 0
	for ; r.Worth() && n < 100; n++ {
		r.Tell(false)
	}
	if n < 3 || n > 10 {
		t.Errorf("given up after %d failures", n)
	}
	for range 20 {
		r.Tell(true)
	}
	if !r.Worth() {
		t.Error("not taken up again")
	}
}
