// Package hcsd is the client of hcsd, the daemon that gives any language the processes of the
// Windows Host Compute Service (HCS).
//
//	client, err := hcsd.NewClient()
//	...
//	revision, err := client.Output(ctx, hcsd.Command("git", "rev-parse", "HEAD"), hcsd.WithDir("/src"))
//	...
//	process, err := client.Run(ctx, hcsd.Command("sh", "-c", "echo hello; exit 7"))
//	...
//	defer process.Close()
//	exit, err := process.Follow(ctx, os.Stdout, os.Stderr)
//
// [Client.Output] and [Client.Exec] run a command to its end, in one call. [Client.Run] is for a process that ends with its [Process.Close], or soon after the program if that is
// killed; [Client.Create] is for one that lives on, and [Client.Open] for one that is there. Options such
// as [WithRunTimeout] say how the daemon keeps it. [Client.WatchEvents] tells what happens.
//
// Everything else of the contract is called through its generated stubs, [Client.Processes],
// [Client.Systems], [Client.Events] and [Client.Host], whose messages are documented in package
// hcsdv1. They use the same connection, and fail with the same errors.
//
// # Networks that break
//
// A [Process] is not bound to a connection: what it reads, writes and waits for goes on where it stopped
// when a connection breaks, byte for byte, within the bounds of [Retry]. So do events. A connection that
// goes without a word is noticed as [WithKeepalive] says. Whatever ends a call in the daemon's place, as a
// proxy does, is a lost connection, [ErrConnectionLost].
//
// No command is started twice, see [Client.Create]. Only [Process.Signal] is never sent twice: while the daemon
// is away it waits. Calls of the generated stubs are made once, and repeating them is left to the caller.
//
// [WithLogger] shows what was repeated and why. [WithDialOptions] takes interceptors.
//
// # Contexts
//
// A context bounds the wait for one answer and nothing else: what the daemon has begun it completes,
// and no process ends because a context does. For the streams of a process, which have the methods of
// package io, WithContext gives readers and writers that are bound to a context.
//
// # Errors
//
// A call that fails returns an [*Error], with what the daemon and HCS said. [errors.Is] tells its
// class, as in errors.Is(err, hcsd.ErrNotFound); classes that refine others match those too. When the
// context of the caller is cancelled the error is [context.Canceled]; when its deadline is over, both
// [ErrDeadlineExceeded] and [context.DeadlineExceeded] match. No status of gRPC gets out
// untranslated, but [google.golang.org/grpc/status.FromError] finds it in an [*Error].
//
// A [Client], a [Process] and its streams may be used by many goroutines at once.
package hcsd

// Version is the version of this package, and of the daemon that it was made with. An older or newer
// one is no obstacle: the contract hcsd.v1 only grows.
const Version = "0.1.0"
