// Package rawio moves small pieces through sockets without telling Go's scheduler. A system call of the standard library is
// announced, in case it takes long; the announcement wakes the scheduler's watching thread, which then looks every 20 µs
// whether it did. For a write that hands a token to a socket that costs more than the write. Reads and writes here never
// wait, so they need no watching: what a socket does not take or have at once is waited for as ever.
//
// It changes nothing that a caller can see: deadlines, errors and closing are those of what was given. Elsewhere than on
// Linux it gives back what it was given.
package rawio
