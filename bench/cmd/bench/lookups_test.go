package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParseLookups(t *testing.T) {
	o, docs, err := parseLookups(strings.Fields("-rounds 3 -sizes 10,2000"))
	if err != nil || o.Rounds != 3 || !slices.Equal(o.Sizes, []int{10, 2000}) || docs != "docs" {
		t.Errorf("%+v, %q, %v", o, docs, err)
	}
	if o, docs, err = parseLookups([]string{"-docs="}); err != nil || o.Sizes != nil || docs != "" {
		t.Errorf("%+v, %q, %v", o, docs, err)
	}
	for _, bad := range []string{"-sizes 10,x", "-sizes 0", "-sizes 5,,6", "acl"} {
		if _, _, err := parseLookups(strings.Fields(bad)); err == nil {
			t.Errorf("takes %q", bad)
		}
	}
}
