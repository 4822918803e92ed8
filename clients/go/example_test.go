package hcsd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	hcsd "github.com/hcsd/hcsd/clients/go"
	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// Run a command, give it something to read, and take all that it says.
func ExampleProcess_Communicate() {
	ctx := context.Background()
	client, err := hcsd.NewClient()
	if err != nil {
		panic(err)
	}
	defer client.Close()
	process, err := client.Run(ctx, hcsd.Command("sort"), hcsd.WithStdin(), hcsd.WithRunTimeout(time.Minute))
	if err != nil {
		panic(err)
	}
	defer process.Close()
	done, err := process.Communicate(ctx, []byte("b\na\n"))
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s", done.Stdout)
}

// Run a command that must succeed, and take what it says.
func ExampleClient_Output() {
	client, err := hcsd.NewClient()
	if err != nil {
		panic(err)
	}
	defer client.Close()
	out, err := client.Output(context.Background(), hcsd.Command("sort"),
		hcsd.WithInput("b\na\n"), hcsd.WithEnv("LC_ALL=C"), hcsd.WithRunTimeout(time.Minute))
	var failed *hcsd.ExitError
	switch {
	case errors.Is(err, hcsd.ErrProcessTimeout):
		fmt.Fprintln(os.Stderr, "it took too long")
	case errors.As(err, &failed):
		fmt.Fprintf(os.Stderr, "code %d: %s", failed.ExitCode(), failed.Stderr)
	case err != nil:
		panic(err)
	}
	fmt.Printf("%s", out)
}

// Show both outputs as they come, line by line, in the order in which they are written.
func ExampleProcess_Lines() {
	ctx := context.Background()
	client, err := hcsd.NewClient()
	if err != nil {
		panic(err)
	}
	defer client.Close()
	process, err := client.Run(ctx, hcsd.Command("make"), hcsd.WithDir("/src"))
	if err != nil {
		panic(err)
	}
	defer process.Close()
	for line, err := range process.Lines(ctx) {
		if err != nil {
			panic(err)
		}
		fmt.Println(line.Time.Format(time.TimeOnly), line.Stream == hcsd.Stderr, line.Text)
	}
}

// Read the lines of one output, with the other one joined to it: nobody has to read that one then.
func ExampleWithStderrToStdout() {
	ctx := context.Background()
	client, err := hcsd.NewClient()
	if err != nil {
		panic(err)
	}
	defer client.Close()
	process, err := client.Run(ctx, hcsd.Command("make"), hcsd.WithStderrToStdout())
	if err != nil {
		panic(err)
	}
	defer process.Close()
	for lines := bufio.NewScanner(process.Stdout); lines.Scan(); {
		fmt.Println(lines.Text())
	}
}

// Watch what happens from now on, over lost connections.
func ExampleClient_WatchEvents() {
	client, err := hcsd.NewClient()
	if err != nil {
		panic(err)
	}
	defer client.Close()
	for message, err := range client.WatchEvents(context.Background(), new(hcsdv1.WatchEventsRequest)) {
		if err != nil {
			panic(err)
		}
		if event := message.GetEvent().GetProcess(); event != nil {
			fmt.Println(event.GetType(), event.GetProcess().GetName())
		}
	}
}

// Tell failures apart.
func ExampleError() {
	client, err := hcsd.NewClient(hcsd.WithLogger(slog.Default()))
	if err != nil {
		panic(err)
	}
	defer client.Close()
	_, err = client.Create(context.Background(), hcsd.Command("no-such-program"))
	var failure *hcsd.Error
	switch {
	case errors.Is(err, hcsd.ErrExecutableNotFound):
		fmt.Fprintln(os.Stderr, "there is no such program")
	case errors.As(err, &failure):
		fmt.Fprintln(os.Stderr, failure.Code, failure.Reason, failure.Violations)
	}
}
