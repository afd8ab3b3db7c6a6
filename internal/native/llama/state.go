package llama

// SeqSize is the number of bytes that SaveSeq needs for what seq holds now. It is cheap.
func (c *Context) SeqSize(seq int) int {
	return int(c.lib.fn.StateSeqSize(c.ptr, SeqID(seq))) //nolint:gosec // below Sequences; far below 2^63
}

// SaveSeq writes the state of seq into buf, which must have SeqSize bytes at least, and returns how many it wrote; 0 is a
// failure, which Library.Warnings explains. The state can be loaded into any sequence of a context that was made from the
// same model with the same parameters, by the same release of the library.
func (c *Context) SaveSeq(seq int, buf []byte) int {
	if len(buf) == 0 {
		return 0
	}
	return int(c.lib.fn.StateSeqGet(c.ptr, &buf[0], uint64(len(buf)), SeqID(seq))) //nolint:gosec // see SeqSize
}

// LoadSeq replaces what seq holds by a state that SaveSeq wrote. It reports false when the state does not fit this
// context, which Library.Warnings explains; seq is empty then. The state must be whole: the library checks its shape, not its
// numbers.
func (c *Context) LoadSeq(seq int, state []byte) bool {
	c.Clear(seq) // the library leaves a sequence as it is when the state has no tokens
	if len(state) == 0 {
		return false
	}
	n := c.lib.fn.StateSeqSet(c.ptr, &state[0], uint64(len(state)), SeqID(seq)) //nolint:gosec // see SeqSize
	if n != uint64(len(state)) {
		c.Clear(seq)
		return false
	}
	return true
}
