package bench

import (
	"fmt"
	"slices"
	"strings"
)

// ordered lists the names of the systems that were measured, in table order.
func (r *Result) ordered() []string {
	var names []string
	for _, s := range Systems() {
		if _, ok := r.Systems[s.Name]; ok {
			names = append(names, s.Name)
		}
	}
	return names
}

// ratioTable has a row per system, ratios of medians to the baseline's and in
// parentheses the span of the rounds.
func (r *Result) ratioTable() string {
	head := []string{"ratio to " + Baseline}
	for _, m := range Metrics() {
		head = append(head, m.Title)
	}
	rows := [][]string{head}
	for _, name := range r.ordered() {
		row := []string{r.Systems[name].Title}
		for _, m := range Metrics() {
			row = append(row, r.ratioCell(name, m))
		}
		rows = append(rows, row)
	}
	return table(rows)
}

func (r *Result) ratioCell(name string, m Metric) string {
	ratio, ok := Compare(r.Figures(name, m.Key), r.Figures(Baseline, m.Key))
	switch {
	case !ok:
		return "–"
	case name == Baseline:
		return "1"
	}
	return fmt.Sprintf("%s%s× (%s–%s)", r.atLeast(name, m), number2(ratio.Median), number2(ratio.Min), number2(ratio.Max))
}

// atLeast marks a rate that the sender limited.
func (r *Result) atLeast(name string, m Metric) string {
	if r.SenderLimited(name, m.Key) {
		return "≥ "
	}
	return ""
}

// number2 prints a ratio with the digits that rounds agree on.
func number2(v float64) string {
	switch {
	case v >= 10:
		return fmt.Sprintf("%.0f", v)
	case v >= 1:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// figureTable has medians with least and most.
func (r *Result) figureTable() string {
	head := []string{"median (least–most)"}
	for _, m := range Metrics() {
		head = append(head, m.Title+", "+m.Unit)
	}
	rows := [][]string{head}
	for _, name := range r.ordered() {
		row := []string{r.Systems[name].Title}
		for _, m := range Metrics() {
			row = append(row, r.figureCell(name, m))
		}
		rows = append(rows, row)
	}
	return table(rows)
}

func (r *Result) figureCell(name string, m Metric) string {
	s := r.Summary(name, m.Key)
	if s.N == 0 {
		return "–"
	}
	mark := r.atLeast(name, m)
	if s.N < r.Options.Rounds {
		mark = fmt.Sprintf("[n=%d] ", s.N) + mark
	}
	return fmt.Sprintf("%s%s (%s–%s)", mark, number(s.Median*m.Scale), number(s.Min*m.Scale), number(s.Max*m.Scale))
}

// setupTable says what was compared.
func (r *Result) setupTable() string {
	rows := [][]string{{"system", "set-up", "MTU", "cipher", "largest UDP payload"}}
	for _, name := range r.ordered() {
		a := r.Systems[name]
		biggest := Sizes()[len(Sizes())-1]
		rows = append(rows, []string{a.Title, a.Setup, fmt.Sprint(a.MTU), a.Suite, fmt.Sprint(payload(biggest, a.MTU))})
	}
	return table(rows)
}

// failures lists what went wrong, a line each.
func (r *Result) failures() []string {
	var out []string
	for _, x := range r.Rounds {
		if x.Error != "" {
			first, _, _ := strings.Cut(x.Error, "\n")
			out = append(out, fmt.Sprintf("%s, round %d: %s", x.System, x.Round+1, first))
		}
	}
	return out
}

// Text is the result for a terminal.
func (r *Result) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%s\n%s\n", r.caption(), r.ratioTable(), r.figureTable(), r.setupTable())
	for _, f := range r.failures() {
		fmt.Fprintf(&b, "failed: %s\n", f)
	}
	return b.String()
}

// caption says how the run was made and on what, in a few lines.
func (r *Result) caption() string {
	var b strings.Builder
	if r.Label != "" {
		fmt.Fprintf(&b, "**%s**\n\n", r.Label)
	}
	fmt.Fprintf(&b, "%s, %.0f minutes, %d rounds that interleave all systems; TCP %d s, UDP trials %d ms.\n",
		r.Started.UTC().Format("2006-01-02 15:04 MST"), r.Minutes, r.Options.Rounds, r.Options.Seconds, r.Options.Probe)
	fmt.Fprintln(&b, r.Machine)
	var v []string
	for name, version := range r.Version {
		v = append(v, name+" "+strings.TrimSpace(strings.TrimPrefix(version, name)))
	}
	slices.Sort(v)
	fmt.Fprintf(&b, "Versions: %s.\n", strings.Join(v, ", "))
	return b.String()
}
