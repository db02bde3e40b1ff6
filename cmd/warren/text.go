package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"warren/control"
)

// exitCode says how the command ends with err. Whatever fails before the verb
// has begun is the user's command line.
func exitCode(err error, started bool) int {
	var exit *endError
	switch {
	case errors.As(err, &exit):
		return exit.code
	case errors.Is(err, control.ErrNotRunning):
		return exitDown
	case !started:
		return exitUsage
	}
	return exitFailed
}

// oneLine is text without the line breaks that a library may have put in.
func oneLine(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, " ")
}

func list(words []string) string { return strings.Join(words, ", ") }

// human is a number of bytes with three figures.
func human(n uint64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, units := float64(n), "kMGTPE"
	i := -1
	for v >= 999.5 && i < len(units)-1 {
		v /= 1000
		i++
	}
	format := "%.1f %cB"
	if v >= 100 {
		format = "%.0f %cB"
	}
	return fmt.Sprintf(format, v, units[i])
}

// age is a time span without fractions.
func age(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

// dash is s, or a dash where there is nothing to show.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// table prints rows in columns, the first row being the head.
func (a *app) table(rows [][]string) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = dash(row[i])
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}
