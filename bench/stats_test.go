package bench

import (
	"math"
	"testing"
)

func TestSummarize(t *testing.T) {
	tests := map[string]struct {
		figures []float64
		want    Summary
	}{
		"none":           {nil, Summary{}},
		"one":            {[]float64{3}, Summary{1, 3, 3, 3}},
		"even":           {[]float64{4, 1, 3, 2}, Summary{4, 2.5, 1, 4}},
		"odd":            {[]float64{9, 1, 5}, Summary{3, 5, 1, 9}},
		"an outlier":     {[]float64{5, 5, 5, 5, 1e9}, Summary{5, 5, 5, 1e9}},
		"not numbers":    {[]float64{math.NaN(), 2, math.Inf(1)}, Summary{1, 2, 2, 2}},
		"not one number": {[]float64{math.NaN()}, Summary{}},
	}
	for name, tt := range tests {
		if got := Summarize(tt.figures); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestSummarizeKeepsItsInput(t *testing.T) {
	in := []float64{3, 1, 2}
	Summarize(in)
	if in[0] != 3 || in[1] != 1 || in[2] != 2 {
		t.Errorf("Summarize sorted what it was given: %v", in)
	}
}

func TestCompare(t *testing.T) {
	tests := map[string]struct {
		a, b map[int]float64
		want Ratio
		ok   bool
	}{
		"same rounds":        {map[int]float64{0: 4, 1: 6, 2: 9}, map[int]float64{0: 2, 1: 2, 2: 3}, Ratio{3, 2, 3}, true},
		"the machine slowed": {map[int]float64{0: 8, 1: 4}, map[int]float64{0: 2, 1: 1}, Ratio{4, 4, 4}, true},
		"one round missing":  {map[int]float64{0: 4, 2: 8}, map[int]float64{0: 2, 1: 2, 2: 2}, Ratio{3, 2, 4}, true},
		"no common round":    {map[int]float64{0: 4}, map[int]float64{1: 2}, Ratio{2, 2, 2}, true},
		"nothing measured":   {nil, map[int]float64{0: 2}, Ratio{}, false},
		"no baseline":        {map[int]float64{0: 2}, nil, Ratio{}, false},
		"baseline of zero":   {map[int]float64{0: 2}, map[int]float64{0: 0}, Ratio{}, false},
	}
	for name, tt := range tests {
		got, ok := Compare(tt.a, tt.b)
		if got != tt.want || ok != tt.ok {
			t.Errorf("%s: %+v, %v; want %+v, %v", name, got, ok, tt.want, tt.ok)
		}
	}
}
