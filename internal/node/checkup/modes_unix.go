//go:build unix

package checkup

// modes reports whether this system has the permissions of Unix.
func modes() bool { return true }
