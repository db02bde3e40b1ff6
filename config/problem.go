package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity says whether a problem keeps the node from running.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// A Problem is one thing that is wrong with a configuration: where, what, and
// the way out. Source never shows a secret.
type Problem struct {
	File     string   `json:"file"`
	Line     int      `json:"line"`   // from 1; 0 where the file as a whole is meant
	Column   int      `json:"column"` // from 1, in characters
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	Fix      string   `json:"fix"`
	Source   string   `json:"source"`
}

// Place is "file:line:column", or the file alone.
func (p Problem) Place() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// String is the problem in one line.
func (p Problem) String() string {
	if p.Severity == SeverityWarning {
		return p.Place() + ": warning: " + p.Message
	}
	return p.Place() + ": " + p.Message
}

// Detail is the problem with its source line, a caret, and the way out.
func (p Problem) Detail() string {
	var b strings.Builder
	b.WriteString(p.String() + "\n")
	if p.Source != "" {
		number := fmt.Sprintf("%5d", p.Line)
		fmt.Fprintf(&b, "%s | %s\n", number, p.Source)
		fmt.Fprintf(&b, "%s | %s^\n", strings.Repeat(" ", len(number)), indent(p.Source, p.Column-1))
	}
	if p.Fix != "" {
		fmt.Fprintf(&b, "      = %s\n", p.Fix)
	}
	return b.String()
}

// indent is the blanks that bring a caret below column n of line, tabs kept.
func indent(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n <= 0 {
			break
		}
		n--
		if r == '\t' {
			b.WriteRune('\t')
		} else {
			b.WriteRune(' ')
		}
	}
	return b.String() + strings.Repeat(" ", max(0, n))
}

// Problems are sorted by place. As an error they stand for the errors among
// them.
type Problems []Problem

// Error is the first error in one line, and how many there are.
func (ps Problems) Error() string {
	errs := ps.Errors()
	switch len(errs) {
	case 0:
		return "config: no errors"
	case 1:
		return errs[0].OneLine()
	}
	return fmt.Sprintf("%s (and %d more: run warren check)", errs[0].OneLine(), len(errs)-1)
}

// OneLine is the problem and the way out without the source.
func (p Problem) OneLine() string {
	if p.Fix == "" {
		return p.String()
	}
	return p.String() + "; " + p.Fix
}

// Detail is every problem in full, with a blank line between.
func (ps Problems) Detail() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.Detail()
	}
	return strings.Join(texts, "\n")
}

// Errors are the problems that keep the node from running.
func (ps Problems) Errors() Problems { return ps.only(SeverityError) }

// Warnings are the problems that do not.
func (ps Problems) Warnings() Problems { return ps.only(SeverityWarning) }

func (ps Problems) only(s Severity) Problems {
	out := Problems{}
	for _, p := range ps {
		if p.Severity == s {
			out = append(out, p)
		}
	}
	return out
}

// err is ps as an error, or nil where none of them is one.
func (ps Problems) err() error {
	if len(ps.Errors()) == 0 {
		return nil
	}
	return ps
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// nearest is the one of known that name was probably meant to be, or "".
func nearest(name string, known []string) string {
	best, least := "", 1+max(1, len(name)/3)
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours between a and b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
