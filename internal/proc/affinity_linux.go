package proc

import "golang.org/x/sys/unix"

// Processors lists the numbers of the processors that this process may use, ascending; nil when that cannot be found out.
func Processors() []int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil
	}
	var out []int
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			out = append(out, i)
		}
	}
	return out
}

// Pin binds the calling thread to processors; the caller has locked its goroutine to the thread.
func Pin(processors []int) error {
	var set unix.CPUSet
	for _, p := range processors {
		set.Set(p)
	}
	return unix.SchedSetaffinity(0, &set)
}
