package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/feature"
)

// units are the suffixes of a size. A bare letter means what it means to most programs that read sizes: powers of 1024.
func units() []struct {
	suffix string
	bytes  float64
} {
	return []struct {
		suffix string
		bytes  float64
	}{
		{"tib", 1 << 40},
		{"gib", 1 << 30},
		{"mib", 1 << 20},
		{"kib", 1 << 10},
		{"tb", 1e12},
		{"gb", 1e9},
		{"mb", 1e6},
		{"kb", 1e3},
		{"t", 1 << 40},
		{"g", 1 << 30},
		{"m", 1 << 20},
		{"k", 1 << 10},
		{"b", 1},
	}
}

// ParseSize reads "2GiB", "500 MB", "4096".
func ParseSize(s string) (Size, error) {
	text := strings.ToLower(strings.TrimSpace(s))
	factor := 1.0
	for _, u := range units() {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			text, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && factor == 1 {
		return Size(n), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || strings.ContainsAny(text, "xpin_") {
		return 0, fmt.Errorf("%q is not a size; write 512MiB, 2GiB or a number of bytes", s)
	}
	if f *= factor; math.Abs(f) >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is too large for a size", s)
	}
	return Size(f), nil
}

// String writes a size as ParseSize reads it.
func (s Size) String() string {
	for _, u := range units() {
		if n := Size(u.bytes); strings.HasSuffix(u.suffix, "ib") && s != 0 && s%n == 0 {
			return strconv.FormatInt(int64(s/n), 10) + strings.ToUpper(u.suffix[:1]) + "iB"
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(strings.TrimSpace(s))
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration; write 90s, 5m or 1h30m", s)
	}
	return d, nil
}

// formatDuration leaves out the zero parts: 5m0s is 5m.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var (
	runtimeName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)
	ownName     = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)
	weightType  = regexp.MustCompile(`^(as-is|auto|i?q[1-8]_[a-z0-9_]{1,8}|f16|bf16)$`)
	hostName    = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$`)
)

// checkPattern checks a string's form by the name that a field's pattern tag gives it, and returns it in canonical form.
func checkPattern(pattern, s string) (string, error) {
	switch pattern {
	case "addr":
		return checkAddr(s)
	case "runtime":
		return runtimeOf(s)
	case "network":
		return s, checkNetwork(s)
	case "prefix":
		return s, checkPrefix(s)
	case "weights", "own_weights":
		low := strings.ToLower(s)
		if !weightType.MatchString(low) && (pattern == "weights" || low != "") {
			return "", fmt.Errorf("%q names no weights; write as-is, auto, or a type such as q8_0", s)
		}
		return low, nil
	case "replica":
		_, err := ParseReplica(s)
		return s, err
	case "url":
		return s, checkURL(s)
	case "issuer":
		return s, checkIssuer(s)
	case "role_of":
		return s, checkRoleOf(s)
	case "group_of":
		_, err := checkPair(s)
		return s, err
	case "postgres":
		return s, checkPostgres(s)
	case "exposure":
		e, said, err := feature.ParseExposure(s)
		if !said {
			return "", err
		}
		return e.String(), nil
	case "model":
		n, err := core.ParseModelName(s)
		if err != nil {
			return "", errors.New(strings.TrimSuffix(core.AsError(err).Message, "."))
		}
		return n.Short(), nil
	case "device", "gpu_layers", "tensor_split", "device_limit", "gpu_variable":
		return checkGPU(pattern, s)
	case "kv_type", "own_kv_type":
		if s == "" && pattern == "own_kv_type" {
			return s, nil
		}
		if s != "f16" && s != "q8_0" {
			return "", fmt.Errorf("%q is not a type for keys and values; write f16 or q8_0", s)
		}
	}
	return s, nil
}

func checkAddr(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf("%q is not an address; write host:port, as 127.0.0.1:7077", s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q has no valid port; it must be between 0 and 65535", s)
	}
	if host != "" && !hostName.MatchString(host) {
		if _, err := netip.ParseAddr(host); err != nil {
			return "", fmt.Errorf("%q has no valid host", s)
		}
	}
	return s, nil
}

// runtimeOf takes the names of the old settings too: LlamaCpp, MockRuntime.
func runtimeOf(s string) (string, error) {
	name := strings.ToLower(s)
	if short := strings.TrimSuffix(name, "runtime"); short != "" {
		name = short
	}
	if name != "" && !runtimeName.MatchString(name) {
		return "", fmt.Errorf("%q is not the name of a runtime; write llamacpp, onnx, tensorflow or mock", s)
	}
	return name, nil
}

func checkPrefix(s string) error {
	if _, err := netip.ParsePrefix(s); err == nil {
		return nil
	}
	if _, err := netip.ParseAddr(s); err != nil {
		return fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", s)
	}
	return nil
}

func checkNetwork(s string) error {
	if _, err := netip.ParsePrefix(s); err == nil {
		return nil
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, "443"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	_, notAddr := netip.ParseAddr(host)
	if err != nil || n == 0 || !hostName.MatchString(host) && notAddr != nil {
		return fmt.Errorf("%q is neither a host, host:port nor a network such as 10.0.0.0/8", s)
	}
	return nil
}

// checkURL never repeats the address: somebody may have put a password into it.
func checkURL(s string) error {
	u, err := url.Parse(s)
	if s != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		return errors.New("this is no address of a server; write http://host:port/v1, without a key or password in it")
	}
	return nil
}

// checkPostgres never repeats the address: it can hold a password.
func checkPostgres(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "" && !u.Query().Has("host") {
		return errors.New("this is no address of a PostgreSQL database; write postgres://user:password@host:5432/name")
	}
	return nil
}

func checkEnum(enum, s string) (string, error) {
	choices := strings.Split(enum, ",")
	low := strings.ToLower(s)
	if !slices.Contains(choices, low) {
		return "", fmt.Errorf("%q is not one of %s", s, strings.Join(slices.DeleteFunc(choices, func(c string) bool { return c == "" }), ", "))
	}
	return low, nil
}
