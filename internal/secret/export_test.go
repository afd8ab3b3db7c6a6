package secret

// OnStep calls do after each step of a change of keys.
func (s *Service) OnStep(do func(done string)) { s.step = do }
