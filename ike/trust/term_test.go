package trust

import (
	"testing"
	"time"
)

func TestTerm(t *testing.T) {
	tests := map[string]struct {
		lasts, left time.Duration
		level, days int
		text        string
	}{
		"long":                  {365 * day, 200 * day, 0, 200, "expires in 200 days"},
		"at 30 days":            {365 * day, 30 * day, 0, 30, "expires in 30 days"},
		"under 30 days":         {365 * day, 30*day - 1, 1, 29, "expires in 29 days"},
		"at 7 days":             {365 * day, 7 * day, 1, 7, "expires in 7 days"},
		"under 7 days":          {365 * day, 7*day - 1, 2, 6, "expires in 6 days"},
		"under 1 day":           {365 * day, day - time.Minute, 3, 0, "expires in 23h59m0s"},
		"the last moment":       {365 * day, 1, 3, 0, "expires in 0s"},
		"over":                  {365 * day, 0, Over, 0, "has expired on 2026-06-01T00:00:00Z"},
		"long over":             {365 * day, -time.Hour, Over, -1, "has expired on 2026-05-31T23:00:00Z"},
		"short, in good time":   {10 * day, 5 * day, 0, 5, "expires in 5 days"},
		"short, in second half": {10 * day, 5*day - 1, 2, 4, "expires in 4 days"},
		"a day's":               {day, 13 * time.Hour, 0, 0, "expires in 13h0m0s"},
		"never good":            {0, -1, Over, -1, "has expired on 2026-05-31T23:59:59Z"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			until := now.Add(tt.left)
			term := Term{until.Add(-tt.lasts), until}
			if level, days, text := term.Level(now), term.DaysLeft(now), term.Left(now); level != tt.level || days != tt.days || text != tt.text {
				t.Errorf("level %d, %d days, %q; want %d, %d, %q", level, days, text, tt.level, tt.days, tt.text)
			}
		})
	}
}
