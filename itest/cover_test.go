package itest

import (
	"slices"
	"testing"
)

// cover chooses, from all combinations of one level of each factor, so few rows
// that every two levels of different factors meet in one of them: a covering
// array of strength two. It takes in turn the combination that brings most pairs
// which no row before has, the first of several, so the same factors always give
// the same rows.
func cover(levels []int) [][]int {
	all := combinations(levels)
	left := map[pair]bool{}
	for _, row := range all {
		for _, p := range pairs(row) {
			left[p] = true
		}
	}
	var rows [][]int
	for len(left) > 0 {
		best, most := []int(nil), 0
		for _, row := range all {
			fresh := 0
			for _, p := range pairs(row) {
				if left[p] {
					fresh++
				}
			}
			if fresh > most {
				best, most = row, fresh
			}
		}
		rows = append(rows, best)
		for _, p := range pairs(best) {
			delete(left, p)
		}
	}
	return rows
}

// A pair is a level of one factor and a level of a later one.
type pair struct{ factor, level, factor2, level2 int }

func pairs(row []int) []pair {
	var out []pair
	for i := range row {
		for j := i + 1; j < len(row); j++ {
			out = append(out, pair{i, row[i], j, row[j]})
		}
	}
	return out
}

// combinations are all rows there are, the last factor counting fastest.
func combinations(levels []int) [][]int {
	rows := [][]int{{}}
	for _, n := range levels {
		var longer [][]int
		for _, row := range rows {
			for level := range n {
				longer = append(longer, append(slices.Clone(row), level))
			}
		}
		rows = longer
	}
	return rows
}

func TestCover(t *testing.T) {
	tests := map[string]struct {
		levels []int
		most   int // rows: what the two largest factors alone need, and a few
	}{
		"two factors":      {[]int{3, 4}, 12},
		"two levels":       {[]int{2, 2, 2, 2}, 6},
		"one level":        {[]int{1, 3, 1}, 3},
		"that of interop":  {[]int{5, 3, 3, 3, 2, 2}, 18},
		"largest one last": {[]int{2, 3, 5}, 17},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rows := cover(tt.levels)
			if len(rows) > tt.most {
				t.Errorf("%d rows, want %d at most", len(rows), tt.most)
			}
			for i := range tt.levels {
				for j := i + 1; j < len(tt.levels); j++ {
					wantMet(t, rows, i, j, tt.levels[i], tt.levels[j])
				}
			}
		})
	}
}

// wantMet wants each of the levels of factor i in a row with each of factor j.
func wantMet(t *testing.T, rows [][]int, i, j, levelsI, levelsJ int) {
	t.Helper()
	for a := range levelsI {
		for b := range levelsJ {
			if !slices.ContainsFunc(rows, func(row []int) bool { return row[i] == a && row[j] == b }) {
				t.Errorf("level %d of factor %d never meets level %d of factor %d in %v", a, i, b, j, rows)
			}
		}
	}
}
