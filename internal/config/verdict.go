package config

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"ashatai/internal/core"
)

// refuseUnsafe stops the start where a setting asks for a protection that this version does not have: going on without
// it would be worse than not starting.
func refuseUnsafe(s *Settings, from map[string]origin) error {
	if s.HTTPS.Enabled {
		return core.Invalid(
			"https.enabled",
			"%s: https.enabled asks for TLS with a .pfx file, which this version does not read, so requests would travel in the clear. Set tls.cert and tls.key to the certificate and its key as PEM files (openssl pkcs12 makes them of a .pfx), and https.enabled to false.",
			from["https.enabled"],
		)
	}
	for _, one := range []struct{ have, lack, key string }{{s.TLS.Cert, s.TLS.Key, "cert"}, {s.TLS.Key, s.TLS.Cert, "key"}} {
		if one.have != "" && one.lack == "" {
			return core.Invalid("tls", "%s: tls.%s is set alone; TLS needs both tls.cert and tls.key.", from["tls."+one.key], one.key)
		}
	}
	if err := refuseBlobs(s, from); err != nil {
		return err
	}
	return refuseOIDC(s, from)
}

// notices says which settings were read and do nothing yet.
func notices(s *Settings, from map[string]origin) []string {
	var out []string
	add := func(key, why string) { out = append(out, from[key].String()+": "+key+" is not in force yet: "+why) }
	for _, key := range slices.Sorted(maps.Keys(from)) {
		// A section that is off gets what it asks for; there is nothing to tell.
		switch section, _, _ := strings.Cut(key, "."); {
		case section == "fine_tuning" && s.FineTuning.Enabled:
			add(key, "this version does not fine-tune.")
		case section == "https" && key != "https.enabled":
			add(key, "TLS is set up by tls.cert and tls.key.")
		}
	}
	return out
}

// Loopback reports whether the server's address can only be reached from this machine.
func (s *Server) Loopback() bool {
	host, _, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// Core is the sampling as the rest of the server knows it.
func (s Sampling) Core() core.Sampling {
	return core.Sampling{
		Temperature: s.Temperature, TopK: s.TopK, TopP: s.TopP, MinP: s.MinP, TypicalP: s.TypicalP,
		RepeatPenalty: s.RepeatPenalty, RepeatLastN: s.RepeatLastN,
		PresencePenalty: s.PresencePenalty, FrequencyPenalty: s.FrequencyPenalty, Seed: s.Seed,
	}
}
