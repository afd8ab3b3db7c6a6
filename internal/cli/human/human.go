// Package human writes numbers, times and digests for people to read.
package human

import (
	"fmt"
	"strconv"
	"time"
)

// Size writes a number of bytes for people: three digits and a decimal unit, as disks and downloads are sold.
func Size(n int64) string {
	if n < 0 {
		return "?"
	}
	return scaled(float64(n), "B", " ")
}

// Count writes a number of parameters: 135M, 1.54B.
func Count(n int64) string {
	if n <= 0 {
		return "-"
	}
	f := float64(n)
	for _, u := range []string{"", "K", "M"} {
		if f < 999.5 {
			return threeDigits(f) + u
		}
		f /= 1000
	}
	return threeDigits(f) + "B"
}

func scaled(f float64, unit, gap string) string {
	for _, prefix := range []string{"", "k", "M", "G", "T"} {
		if f < 999.5 {
			if prefix == "" {
				return strconv.Itoa(int(f)) + gap + unit
			}
			return threeDigits(f) + gap + prefix + unit
		}
		f /= 1000
	}
	return threeDigits(f) + gap + "P" + unit
}

func threeDigits(f float64) string {
	switch {
	case f >= 99.95 || f == float64(int(f)):
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 9.995:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

// Ago writes when t was, or will be, seen from now.
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := now.Sub(t)
	if d < 0 {
		return "in " + span(-d)
	}
	if d < time.Second {
		return "just now"
	}
	return span(d) + " ago"
}

// span writes a duration in its largest unit.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{365 * day, "year"}, {30 * day, "month"}, {7 * day, "week"}, {day, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := int(d / u.of); n > 0 {
			return Plural(n, u.name)
		}
	}
	return Plural(max(int(d/time.Second), 1), "second")
}

// Plural writes a number with its noun: 1 model, 2 models.
func Plural(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// ShortDigest is enough of a digest to tell two files apart.
func ShortDigest(d string) string {
	const digits = 12
	if d == "" {
		return "-"
	}
	return d[:min(len(d), digits)]
}

// OrDash is a dash for what is empty.
func OrDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
