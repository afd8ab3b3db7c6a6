package curve

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func learned() *Curve {
	r := rand.New(rand.NewPCG(2, 2))
	c := New()
	for range 200 {
		k, rows, at := Kind(r.IntN(3)), Sizes()[r.IntN(nSizes)], r.IntN(5000)
		c.Observe(sample(k, rows, at), stairs(k, 2, rows, at))
	}
	return c
}

func TestRoundTrip(t *testing.T) {
	c := learned()
	b, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Read(b)
	if err != nil {
		t.Fatal(err)
	}
	for k := range kinds {
		for rows := 1; rows < 600; rows += 7 {
			for at := 0; at < 8000; at += 999 {
				if x, y := c.Estimate(sample(k, rows, at)), back.Estimate(sample(k, rows, at)); !near(x, y, 0.05) {
					t.Fatalf("%v of %d rows at %d: %v before, %v after", k, rows, at, x, y)
				}
			}
		}
	}
	if again, err := back.Encode(); err != nil || !bytes.Equal(again, b) {
		t.Errorf("another text the second time: %v", err)
	}
	if p, ok := back.Next(Bounds{Decode: 2, Several: 2, Batch: 1, Sequences: 1}, time.Hour); ok {
		if n := c.samples(p, 2); n >= repeats {
			t.Errorf("%v is measured again", p)
		}
	}
}

func TestForeignCaches(t *testing.T) {
	const cell = `{"rows":4,"context":0,"nanoseconds":1e6,"samples":8}`
	table := func(kind, threads, cells string) string {
		return `{"version":1,"tables":[{"kind":"` + kind + `","threads":` + threads + `,"cells":[` + cells + `]}]}`
	}
	if _, err := Read([]byte(table("decode", "2", cell))); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":           "",
		"not JSON":        "\x00\x01",
		"cut off":         table("decode", "2", cell)[:60],
		"other version":   strings.Replace(table("decode", "2", cell), `"version":1`, `"version":2`, 1),
		"unknown kind":    table("encode", "2", cell),
		"no threads":      table("decode", "0", cell),
		"cell twice":      table("decode", "2", cell+","+cell),
		"no cost":         table("decode", "2", strings.Replace(cell, "1e6", "0", 1)),
		"negative cost":   table("decode", "2", strings.Replace(cell, "1e6", "-1", 1)),
		"endless cost":    table("decode", "2", strings.Replace(cell, "1e6", "1e300", 1)),
		"rows off grid":   table("decode", "2", strings.Replace(cell, `"rows":4`, `"rows":100`, 1)),
		"many rows":       table("decode", "2", strings.Replace(cell, `"rows":4`, `"rows":99999`, 1)),
		"context off":     table("decode", "2", strings.Replace(cell, `"context":0`, `"context":7`, 1)),
		"no samples":      table("decode", "2", strings.Replace(cell, `"samples":8`, `"samples":0`, 1)),
		"table twice":     `{"version":1,"tables":[{"kind":"decode","threads":2},{"kind":"decode","threads":2}]}`,
		"too many tables": `{"version":1,"tables":[` + strings.Repeat(`{},`, maxTables) + `{}]}`,
		"too long":        strings.Repeat(" ", maxBytes+1),
	} {
		if c, err := Read([]byte(text)); !errors.Is(err, ErrForeign) || c != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzRead: foreign bytes give an error or a curve that can be asked, taught and written.
func FuzzRead(f *testing.F) {
	b, err := learned().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":1,"tables":[{"kind":"verify","threads":1,"cells":[{"rows":1,"context":512,"nanoseconds":1,"samples":1}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Read(b)
		if err != nil {
			return
		}
		c.Observe(sample(Prefill, 64, 100), time.Second)
		if c.Estimate(sample(Verify, 512, 3000)) < 0 {
			t.Error("a negative time")
		}
		if out, err := c.Encode(); err != nil || len(out) > maxBytes {
			t.Errorf("%d bytes: %v", len(out), err)
		}
	})
}
