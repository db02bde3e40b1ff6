package bench

import (
	"strings"
	"testing"
)

const pathOutput = `pkg: warren/dataplane
BenchmarkGateway/in/clients=10000/run=1/1400-2    	    2940	       800 ns/packet
BenchmarkGateway/in/clients=1/run=1/1400-2      	    2940	       400 ns/packet
BenchmarkGateway/out/clients=1/run=1/64-2      	    2940	       200 ns/packet
BenchmarkGateway/out/clients=10000/run=16/64-2    	    2940	       250 ns/packet
BenchmarkPath/the_Go_standard_library/layers=1/64-2   	   1	 80 cipher-ns-in	 100 cipher-ns-out	 160 ns-in	 150 ns-out	 2.0 xcipher-in	 1.5 xcipher-out
BenchmarkPath/the_Go_standard_library/layers=4/64-2   	   1	 80 cipher-ns-in	 100 cipher-ns-out	 800 ns-in	 700 ns-out	 10.0 xcipher-in	 7.0 xcipher-out
`

func TestInprocessPage(t *testing.T) {
	lines, err := ParseGo(strings.NewReader(pathOutput))
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(InprocessPage(lines)), " ")
	for _, want := range []string{
		"| the Go standard library, 64 B out | 100 | 150 (1.5×) | | | 700 (7.0×) |",
		"| the Go standard library, 64 B in | 80.0 | 160 (2.0×) | | | 800 (10×) |",
		"| 1400 B in | 400 | | 800 (50 %) | | 64 B out | 200 | 250 (80 %) | |",
		"| dataplane Path/out/the_Go_standard_library/layers=4/64 | 700 | 175 |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in\n%s", want, page)
		}
	}
}
