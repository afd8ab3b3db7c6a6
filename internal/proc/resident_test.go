package proc

import (
	"runtime"
	"testing"
)

func TestResident(t *testing.T) {
	if got := Resident(); runtime.GOOS == "linux" && got < 1<<20 || got < 0 {
		t.Errorf("this process has %d bytes in memory", got)
	}
}
