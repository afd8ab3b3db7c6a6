package plan

// The memory of a device is shared as that of the machine is, with one difference: a model that does not fit on a device can be
// loaded with less of it there, or on the processor, and says so. So nobody waits for a device that others compute on, and only what
// is idle gives way.

// usedOf is the memory of a device that all instances take or were promised, in bytes; those that are being stopped included.
func (s *State) usedOf(device string) int64 {
	var sum int64
	for _, in := range s.instances {
		sum += in.partOf(device)
	}
	return sum
}

// pinnedOf is what pinned instances take of a device and go on taking.
func (s *State) pinnedOf(device string) int64 {
	var sum int64
	for _, in := range s.instances {
		if in.m.Pinned && in.m.inst == in {
			sum += in.partOf(device)
		}
	}
	return sum
}

// leavingOf is what becomes free of a device without another decision, and soon.
func (s *State) leavingOf(device string) int64 {
	var sum int64
	for _, in := range s.instances {
		if in.phase >= PhaseStopping {
			sum += in.partOf(device)
		}
	}
	return sum
}

func (in *instance) partOf(device string) int64 {
	var sum int64
	for _, p := range in.parts {
		if p.ID == device {
			sum += p.Bytes
		}
	}
	return sum
}

// clearDevices lets idle instances go from the devices on which m does not fit beside them, and reports whether m should wait for
// what is leaving. A model that is larger than a device gets what pinned ones leave of it. Nothing is let go where all that is idle would
// not suffice: m is then loaded with what there is.
func (s *State) clearDevices(m *model) (wait bool) {
	for _, p := range m.Parts {
		limit, ok := s.cfg.Devices[p.ID]
		if !ok {
			continue
		}
		lacking := min(p.Bytes, limit-s.pinnedOf(p.ID)) - (limit - s.usedOf(p.ID))
		if lacking <= 0 {
			continue
		}
		leaving := s.leavingOf(p.ID)
		if lacking <= leaving {
			wait = true
			continue
		}
		on := func(in *instance) int64 { return in.partOf(p.ID) }
		for _, in := range s.victims(lacking-leaving, on, func(in *instance) bool {
			return on(in) > 0 && len(in.running) == 0 && s.now >= in.residentUntil(s.cfg.Residency)
		}) {
			s.drain(in, ReasonEvicted, 0, nil)
			wait = true
		}
	}
	return wait
}
