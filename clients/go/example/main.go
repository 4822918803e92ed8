// Run a command on the daemon, stream its output, and exit with its code.
package main

import (
	"context"
	"log"
	"os"

	hcsd "github.com/hcsd/hcsd/clients/go"
)

func main() {
	ctx := context.Background()
	client, err := hcsd.NewClient()
	check(err)
	process, err := client.Run(ctx, hcsd.Command(os.Args[1:]...))
	check(err)
	exit, err := process.Follow(ctx, os.Stdout, os.Stderr)
	process.Close() // ends it, if it still runs
	check(err)
	code, err := hcsd.ExitCode(exit)
	check(err)
	os.Exit(int(code))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
