package bench

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// The plot's measures, in pixels.
const (
	panelWidth, panelGap   = 400, 30
	barHeight, barGap      = 16, 6
	labelWidth, valueWidth = 190, 60
	titleHeight, margin    = 34, 16
	columns                = 2
)

// SVG plots the ratios to the baseline: a panel per metric, a bar per system
// and a whisker from the least to the most round.
func (r *Result) SVG() string {
	metrics := Metrics()[:7] // CPU time is left to the table
	names := r.ordered()
	panelHeight := titleHeight + len(names)*(barHeight+barGap) + panelGap
	rows := (len(metrics) + columns - 1) / columns
	width, height := columns*(panelWidth+panelGap)+2*margin-panelGap, rows*panelHeight+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	for i, m := range metrics {
		x, y := margin+i%columns*(panelWidth+panelGap), margin+i/columns*panelHeight
		fmt.Fprintf(&b, `<g transform="translate(%d,%d)">`+"\n", x, y)
		r.panel(&b, m, names)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// panel draws one metric. Bars are on a scale of their own, and raw veth, which
// would dwarf them, ends with it.
func (r *Result) panel(b *strings.Builder, m Metric, names []string) {
	better := "more is better"
	if m.Lower {
		better = "less is better"
	}
	fmt.Fprintf(b, `<text y="14" font-weight="bold">%s</text><text x="%d" y="14" text-anchor="end" fill="#666">ratio, %s</text>`+"\n",
		escape(m.Title), panelWidth, better)
	most := r.scale(m, names)
	y := titleHeight - 8
	for _, name := range names {
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, labelWidth-6, y+12, escape(r.Systems[name].Title))
		if ratio, ok := Compare(r.Figures(name, m.Key), r.Figures(Baseline, m.Key)); ok {
			bar(b, y, ratio, most, name)
		}
		b.WriteString("\n")
		y += barHeight + barGap
	}
	one := position(1, most)
	fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#333" stroke-dasharray="3,3"/>`+"\n", one, one, titleHeight-12, y)
}

func bar(b *strings.Builder, y int, ratio Ratio, most float64, name string) {
	color := "#b0b0b0"
	if strings.HasPrefix(name, "warren") {
		color = "#2a7ab8"
	}
	tip := position(ratio.Median, most)
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, labelWidth, y, tip-labelWidth, barHeight, color)
	lo, hi, mid := position(ratio.Min, most), position(ratio.Max, most), y+barHeight/2
	fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="black"/>`, lo, hi, mid, mid)
	fmt.Fprintf(b, `<text x="%.1f" y="%d">%s×</text>`, max(tip, hi)+4, y+12, number2(ratio.Median))
}

// scale is the ratio at the right end of a panel: the highest of all systems
// but raw veth.
func (r *Result) scale(m Metric, names []string) float64 {
	most := 1.2
	for _, name := range names {
		ratio, ok := Compare(r.Figures(name, m.Key), r.Figures(Baseline, m.Key))
		if ok && r.Systems[name].Suite != "" {
			most = max(most, ratio.Median, ratio.Max)
		}
	}
	return most
}

// position is where on the axis a ratio lies.
func position(ratio, most float64) float64 {
	const room = panelWidth - labelWidth - valueWidth
	return labelWidth + room*math.Min(ratio/most, 1)
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
