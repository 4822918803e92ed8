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
