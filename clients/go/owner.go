package hcsd

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// DefaultOwnerGrace is how long a process of [Client.Run] outlives a program that is gone.
const DefaultOwnerGrace = 10 * time.Second

// own shows the daemon that this program is there, in the background, until the process ends or is closed.
// When the program is gone, so is the call, and the daemon ends the process once its grace is over. It does not
// give up while the daemon is out of reach: only the daemon knows when the grace is over.
func (p *Process) own() {
	p.owner.Go(func() {
		tries := attempts{connection: p.connection, what: "RunProcess " + p.Name() + " as its owner", endless: true}
		for {
			err := p.ownOnce(&tries)
			if err != nil {
				err = tries.wait(p.life, err)
			}
			switch {
			case p.life.Err() != nil, errors.Is(err, io.EOF):
				return
			case errors.Is(err, ErrNotFound), errors.Is(err, ErrDaemonRestarted): // there is nothing to own
				return
			case err != nil:
				p.connection.logger.Warn("gave up owning a process, which ends when its grace is over",
					"process", p.Name(), "error", err)
				return
			}
		}
	})
}

// ownOnce makes one call; it returns io.EOF after the end of the process.
func (p *Process) ownOnce(tries *attempts) error {
	ctx, end := context.WithCancelCause(p.life)
	defer end(nil)
	watched := newSilence(p.connection, p.connection.heartbeat(), end)
	call, err := p.processes.RunProcess(ctx)
	if err != nil {
		return err
	}
	attach := &hcsdv1.RunAttach{Name: p.Name(), Owner: true, WithoutOutput: true}
	first := &hcsdv1.RunProcessRequest{
		Request: &hcsdv1.RunProcessRequest_Attach{Attach: attach}, HeartbeatInterval: p.connection.heartbeat(),
	}
	if err := call.Send(first); err != nil && !errors.Is(err, io.EOF) { // Recv tells why it is at its end
		return err
	}
	_ = call.CloseSend() // there is nothing to send; a failure shows in Recv, too
	for {
		var answer *hcsdv1.RunProcessResponse
		err := watched.during(func() (err error) {
			answer, err = call.Recv()
			return err
		})
		if err != nil {
			return err
		}
		tries.succeeded()
		switch event := answer.GetEvent().(type) {
		case *hcsdv1.RunProcessResponse_Started:
			watched.meet(event.Started.GetProcess())
		case *hcsdv1.RunProcessResponse_Heartbeat:
			watched.awake = true
		}
	}
}
