package reply

// list makes the state that reads calls up to a ']'; the '[' was taken. one makes the state that reads a call.
func list(one func(done, failed state) state, done state) state {
	l := &calls{one: one, done: done}
	return l.first
}

type calls struct {
	one  func(done, failed state) state
	done state
}

func (l *calls) first(m *machine) bool {
	if !m.space() {
		return false
	}
	if m.buf[0] == ']' {
		m.drop(1)
		m.state = l.closed
		return true
	}
	m.state = l.one(l.next, l.rest)
	return true
}

func (l *calls) next(m *machine) bool {
	if !m.space() {
		return false
	}
	switch m.buf[0] {
	case ',':
		m.drop(1)
		m.state = l.one(l.next, l.rest)
	case ']':
		m.drop(1)
		m.state = l.closed
	default:
		m.state = l.rest
	}
	return true
}

// closed drops the white space after the list.
func (l *calls) closed(m *machine) bool { return m.skip(l.done) }

// rest is what follows a call that was none.
func (l *calls) rest(m *machine) bool {
	m.state = l.done
	return true
}
