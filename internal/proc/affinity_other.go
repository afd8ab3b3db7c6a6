//go:build !linux

package proc

// Processors lists the numbers of the processors that this process may use; nil where the system does not say.
func Processors() []int { return nil }

// Pin does nothing: this system places threads by itself.
func Pin([]int) error { return nil }
