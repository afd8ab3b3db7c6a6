package judge

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestSum(t *testing.T) {
	var s Sum
	if s.Divergence() != 0 || s.Agreement() != 0 {
		t.Error("an empty sum has a value")
	}
	// p = (3/4, 1/4) and q = (1/4, 3/4): ln 3 / 2 nats. A constant added to logits changes nothing.
	l3 := float32(math.Log(3))
	s.Add([]float32{l3 + 100, 100}, []float32{0, l3})
	if math.Abs(s.Divergence()-math.Log(3)/2) > 1e-5 || s.Agreement() != 0 {
		t.Errorf("%v", s)
	}
	var o Sum
	o.Add([]float32{1, 2}, []float32{1, 2})
	s.Join(o)
	if math.Abs(s.Divergence()-math.Log(3)/4) > 1e-5 || s.Agreement() != 0.5 || s.Tokens != 2 {
		t.Errorf("%v", s)
	}
	nan := float32(math.NaN())
	s.Add([]float32{1, 2}, []float32{nan, nan})
	if !math.IsInf(s.Divergence(), 1) {
		t.Error("nonsense is near")
	}
}

func TestDivergenceIsNeverNegative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "n")
		logits := rapid.SliceOfN(rapid.Float32Range(-50, 50), n, n)
		a, b := logits.Draw(t, "a"), logits.Draw(t, "b")
		var same, other Sum
		same.Add(a, a)
		other.Add(a, b)
		if same.Divergence() != 0 || same.Agreement() != 1 || !(other.Divergence() >= 0) {
			t.Fatal(same, other)
		}
	})
}

func TestPairs(t *testing.T) {
	var p Pairs
	if old, made := p.Medians(); p.Ratio() != 1 || old != 0 || made != 0 {
		t.Error("no pairs have a value")
	}
	for _, v := range [][2]float64{{2, 1}, {3, 1}, {40, 1}, {1, 1}} { // one of them disturbed
		p.Add(v[0], v[1])
	}
	if old, made := p.Medians(); p.Len() != 4 || p.Ratio() != 2.5 || old != 2.5 || made != 1 {
		t.Error(p, old, made)
	}
}

func TestTextSuffices(t *testing.T) {
	if n := len(Text()); n < 9000 || n > 20000 { // 4 bytes a token and more are rare
		t.Errorf("%d bytes", n)
	}
}
