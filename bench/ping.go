package bench

import (
	"strconv"
	"strings"
)

// pingTimes is every round trip in the output of ping, in seconds.
func pingTimes(output string) []float64 {
	var times []float64
	for line := range strings.Lines(output) {
		_, rest, ok := strings.Cut(line, " time=")
		if !ok {
			continue
		}
		number, unit, _ := strings.Cut(strings.TrimSpace(rest), " ")
		ms, err := strconv.ParseFloat(number, 64)
		if err == nil && strings.HasPrefix(unit, "ms") {
			times = append(times, ms/1e3)
		}
	}
	return times
}
