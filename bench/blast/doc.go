// Package blast measures how many UDP packets a second a path carries.
//
// A [Sender] offers packets at a rate, many per system call (sendmmsg, and
// UDP_SEGMENT if asked), and a [Receiver] counts them as cheaply (recvmmsg with
// UDP_GRO), so that they take little of the machine that they measure. [Search]
// finds the highest rate without loss.
//
// Every packet of a run has the same bytes: a mark, the number of the run and
// the packet's size. There are no sequence numbers, so neither order nor
// duplicates are looked at. IPv4 and IPv6; Linux only.
package blast
