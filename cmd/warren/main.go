// Command warren builds nested IPsec tunnels, looks at them and takes them
// down. A verb is a file here.
//
// Exit codes: 0 good, 1 error, 2 usage, 3 degraded, 4 down.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // the second signal kills
	}()
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
