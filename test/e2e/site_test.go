package e2e_test

import (
	"testing"

	"ashatai/test/launch"
)

// The tests of this folder say these words on every other line.

func given(t *testing.T, name string) string {
	t.Helper()
	return launch.Given(t, name)
}

func site(t *testing.T, set ...string) string {
	t.Helper()
	return launch.Site(t, set...)
}

func siteProcess(t *testing.T, set ...string) (addr string, pid int) {
	t.Helper()
	return launch.Process(t, set...)
}

func siteIn(t *testing.T, bin, home string) string {
	t.Helper()
	addr, _ := launch.In(t, bin, home)
	return addr
}
