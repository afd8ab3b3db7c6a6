package prefix

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// allocate maps n bytes. Huge pages make filling them several times as fast and giving them back nearly free.
func allocate(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	_ = unix.Madvise(b, unix.MADV_HUGEPAGE) // a wish
	return b, nil
}

// populate brings the pages in now, and not one by one when they are written.
func populate(b []byte) {
	_ = unix.Madvise(b, unix.MADV_POPULATE_WRITE) // an older kernel brings them in one by one
}

func free(b []byte) {
	_ = unix.Munmap(b) // fails only for what was not mapped
}

// giveUp frees the whole pages of b, which stays mapped.
func giveUp(b []byte) {
	page := os.Getpagesize()
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (page - 1) //nolint:gosec // only for the offset in its page
	if skip < len(b) {
		_ = unix.Madvise(b[skip:], unix.MADV_DONTNEED) // then they stay
	}
}
