// Run a command on the daemon, stream its output, and exit with its code.
package main

import (
	"context"
	"log"
	"os"

	hcsd "github.com/hcsd/hcsd/clients/go"
)

func main() {
	code, err := run(context.Background(), os.Args[1:])
	if err != nil {
		log.Fatal(err)
	}
	os.Exit(int(code))
}

func run(ctx context.Context, command []string) (uint32, error) {
	client, err := hcsd.NewClient()
	if err != nil {
		return 0, err
	}
	defer client.Close()
	process, err := client.Run(ctx, hcsd.Command(command...))
	if err != nil {
		return 0, err
	}
	defer process.Close()
	exit, err := process.Follow(ctx, os.Stdout, os.Stderr)
	if err != nil {
		return 0, err
	}
	return hcsd.ExitCode(exit)
}
