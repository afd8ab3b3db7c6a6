package plan

// share divides the machine's processors among the instances that compute. Threads of several models on one processor wait
// for each other at every step, which costs many times what they divide; an instance that is idle takes none, and is told
// when it has work again.
func (s *State) share() {
	if s.cfg.Processors == 0 {
		return
	}
	busy := 0
	for _, in := range s.instances {
		if in.used > 0 {
			busy++
		}
	}
	at := 0
	for _, in := range s.instances {
		if in.used == 0 {
			continue
		}
		n := s.cfg.Processors / busy
		if at < s.cfg.Processors%busy {
			n++
		}
		at++
		n = max(1, n)
		if told := in.processors; told == n || told == 0 && n == s.cfg.Processors {
			continue
		}
		in.processors = n
		s.do(Share{Instance: in.id, Processors: n})
	}
}
