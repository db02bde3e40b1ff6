package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// places are where a measurement goes; empty is nowhere.
type places struct{ docs, out string }

// parse reads the flags of a measurement whose page is doc, its own ones among them.
func (p *places) parse(f *flag.FlagSet, doc string, args []string) error {
	f.StringVar(&p.docs, "docs", "docs", "where "+doc+" goes; empty: nowhere")
	f.StringVar(&p.out, "out", "bench/results", "where the figures go, as JSON; empty: nowhere")
	if err := f.Parse(args); err != nil {
		return flag.ErrHelp
	}
	if f.NArg() > 0 {
		return fmt.Errorf("bench: what is %q?", f.Arg(0))
	}
	return nil
}

// A measured is what a measurement found.
type measured interface {
	Save(dir string) (string, error)
	Page() string
}

// put writes r where it is to go, or prints its page.
func (p *places) put(r measured, doc string) error {
	if p.out != "" {
		if _, err := r.Save(p.out); err != nil {
			return err
		}
	}
	return putPage(p.docs, doc, r.Page())
}

// putPage writes a page into dir, or prints it.
func putPage(dir, doc, page string) error {
	if dir == "" {
		fmt.Print(page)
		return nil
	}
	return writeDoc(dir, doc, page)
}

func writeDoc(dir, name, text string) error {
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}
