package bench

import (
	"math"
	"slices"
)

// Summary is what n figures of one kind come to. Its zero value has none.
type Summary struct {
	N                int
	Median, Min, Max float64
}

// Summarize leaves out what is not a number.
func Summarize(figures []float64) Summary {
	var v []float64
	for _, x := range figures {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			v = append(v, x)
		}
	}
	if len(v) == 0 {
		return Summary{}
	}
	slices.Sort(v)
	return Summary{N: len(v), Median: median(v), Min: v[0], Max: v[len(v)-1]}
}

// median of sorted figures: the middle one, or between the two in the middle.
func median(v []float64) float64 {
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

// A Ratio compares two systems: their medians, and how far the rounds differ in
// it, each round taken for itself.
type Ratio struct {
	Median, Min, Max float64
}

// Compare divides a by b, figures of the same rounds. It is false without a
// figure on either side.
func Compare(a, b map[int]float64) (Ratio, bool) {
	sa, sb := Summarize(values(a)), Summarize(values(b))
	if sa.N == 0 || sb.N == 0 || sb.Median == 0 {
		return Ratio{}, false
	}
	var each []float64
	for round, x := range a {
		if y, ok := b[round]; ok {
			each = append(each, x/y)
		}
	}
	s := Summarize(each)
	r := Ratio{Median: sa.Median / sb.Median, Min: s.Min, Max: s.Max}
	if s.N == 0 {
		r.Min, r.Max = r.Median, r.Median
	}
	return r, true
}

func values(m map[int]float64) []float64 {
	v := make([]float64, 0, len(m))
	for _, x := range m {
		v = append(v, x)
	}
	return v
}
