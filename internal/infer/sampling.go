package infer

import (
	"crypto/rand"
	"encoding/binary"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// sampling makes every choice: the request's, else the settings' of the model, else the manifest's, else the server's.
func (s *Service) sampling(m *core.Manifest, set Settings, req *core.Request) (engine.Sampling, error) {
	given := req.Sampling.Over(set.Sampling).Over(m.Defaults)
	out := s.cfg.Sampling
	put(&out.Temperature, given.Temperature)
	put(&out.TopK, given.TopK)
	put(&out.TopP, given.TopP)
	put(&out.MinP, given.MinP)
	put(&out.TypicalP, given.TypicalP)
	put(&out.RepeatPenalty, given.RepeatPenalty)
	put(&out.RepeatLastN, given.RepeatLastN)
	put(&out.PresencePenalty, given.PresencePenalty)
	put(&out.FrequencyPenalty, given.FrequencyPenalty)
	if given.LogitBias != nil {
		out.LogitBias = given.LogitBias
	}
	if given.Seed != nil {
		out.Seed = *given.Seed
		return out, nil
	}
	seed, err := s.cfg.Random()
	if err != nil {
		return out, core.Wrap(core.CodeInternal, err, "The system's random source failed, so no seed could be chosen. Send a seed, or try again.")
	}
	out.Seed = seed
	return out, nil
}

func put[T any](dst *T, v *T) {
	if v != nil {
		*dst = *v
	}
}

// randomSeed is below 2^32, which every runtime takes as it is.
func randomSeed() (int64, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, err
	}
	return int64(binary.LittleEndian.Uint32(b[:])), nil
}
