package human

import (
	"testing"
	"time"
)

func TestSizesAndCounts(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1 kB", 1234: "1.23 kB", 12_345: "12.3 kB", 999_499: "999 kB", 999_500: "1.00 MB",
		91_739_424: "91.7 MB", 4_000_000_000: "4 GB", 5_500_000_000_000_000: "5.50 PB", -1: "?",
	} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "-", 500: "500", 134_515_008: "135M", 1_540_000_000: "1.54B", 70_000_000_000: "70B"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for want, d := range map[string]time.Duration{
		"just now": 0, "in 1 second": -1500 * time.Millisecond, "2 seconds ago": 2 * time.Second, "1 minute ago": 90 * time.Second,
		"in 5 minutes": -5 * time.Minute, "3 hours ago": 3 * time.Hour, "1 day ago": 25 * time.Hour, "1 week ago": 8 * day,
		"2 months ago": 70 * day, "2 years ago": 800 * day,
	} {
		if got := Ago(now.Add(-d), now); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	if got := Ago(time.Time{}, now); got != "-" {
		t.Errorf("never: %q", got)
	}
}
