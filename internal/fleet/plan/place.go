package plan

// Place is where a request stands among those that wait for its model, as the fair order is now: 1 is the next. 0: it does not wait
// for its turn.
func (s *State) Place(id ID) int {
	r := s.requests[id]
	if r == nil || r.inst != nil || r.Sequences == 0 {
		return 0
	}
	for i, o := range r.m.replays {
		if o == r {
			return i + 1
		}
	}
	place := len(r.m.replays) + 1
	level := r.m.queue.level(int(r.Class), s)
	own := r.m.queue.tags(int(r.Class))
	for class := range r.m.queue.classes {
		switch l := r.m.queue.level(class, s); {
		case class == int(r.Class):
			for o, tag := range own {
				if tag < own[r] || tag == own[r] && o.number < r.number {
					place++
				}
			}
		case l > level || l == level && class > int(r.Class):
			for _, f := range r.m.queue.classes[class].flows {
				place += len(f.items)
			}
		}
	}
	return place
}

// level is the class as which a class is served now, risen by its waiting.
func (q *fairQueue) level(class int, s *State) int {
	r, waited := q.classes[class].head(s.now, func(*request) bool { return false })
	if r == nil {
		return -1
	}
	return min(classes-1, class+int(waited/s.cfg.Age))
}

// tags are the start tags that the requests of a class will have when they are at the head of their flow.
func (q *fairQueue) tags(class int) map[*request]float64 {
	out := map[*request]float64{}
	for _, f := range q.classes[class].flows {
		tag := f.tag
		for _, r := range f.items {
			out[r] = tag
			tag += float64(r.Cost) / float64(r.Weight)
		}
	}
	return out
}
