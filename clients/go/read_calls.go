package hcsd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc/codes"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// readCalls are the calls by which an output is read, one after the other.
//
//	state    event                                           next
//	IDLE     a message is wanted                             READING
//	READING  a message                                       READING
//	READING  out of reach, or silent for too long            IDLE, and after a while READING again
//	READING  stalled, as the program paused for too long     IDLE, and READING again
//	READING  the context ends, drop, other errors            IDLE
//
// What is asked for is said anew for each call: whoever reads has moved meanwhile. One goroutine at a time may
// use it.
type readCalls struct {
	process *Process
	request func() *hcsdv1.ReadOutputRequest
	call    hcsdv1.ProcessService_ReadOutputClient
	cancel  context.CancelCauseFunc // ends call
	silence silence                 // of the present call
	moved   bool                    // the present call has given something
	tries   attempts
}

func newReadCalls(p *Process, what string, request func() *hcsdv1.ReadOutputRequest) *readCalls {
	return &readCalls{process: p, request: request, tries: attempts{connection: p.connection, what: what}}
}

// next returns the next message.
func (r *readCalls) next(ctx context.Context) (*hcsdv1.ReadOutputResponse, error) {
	for {
		answer, err := r.receive(ctx)
		if err == nil {
			r.tries.succeeded()
			return answer, nil
		}
		// A call that was ended before it gave anything would be ended again.
		paused := r.moved && errors.Is(err, ErrSubscriberStalled)
		r.drop()
		if paused {
			continue
		}
		if err := r.tries.wait(ctx, err); err != nil {
			return nil, err
		}
	}
}

// drop ends the call, if there is one.
func (r *readCalls) drop() {
	if r.cancel != nil {
		r.cancel(nil)
	}
	r.call, r.cancel, r.moved = nil, nil, false
}

// receive takes the next message of the call, which it begins if need be.
func (r *readCalls) receive(ctx context.Context) (answer *hcsdv1.ReadOutputResponse, err error) {
	var life context.Context // of the call, which may outlive ctx
	interval := r.process.connection.heartbeat()
	if r.call == nil {
		life, r.cancel = context.WithCancelCause(r.process.life)
		r.silence = newSilence(r.process.connection, interval, r.cancel)
	}
	end := r.cancel
	stop := context.AfterFunc(ctx, func() { end(nil) })
	defer func() {
		if !stop() { // the context has ended the call, if only after the message came
			r.drop()
		}
	}()
	if r.call == nil {
		request := r.request()
		request.HeartbeatInterval = interval
		call, err := r.process.processes.ReadOutput(life, request)
		if err != nil {
			return nil, callerError(ctx, err)
		}
		r.call = call
	}
	err = r.silence.during(func() (err error) {
		answer, err = r.call.Recv()
		return err
	})
	switch {
	case errors.Is(err, io.EOF): // what has an end says so before
		return nil, newError(codes.Internal, "",
			fmt.Sprintf("the daemon has left off the output of '%s' before its end", r.process.Name()))
	case err != nil:
		return nil, callerError(ctx, err)
	}
	r.moved = true
	switch event := answer.GetEvent().(type) {
	case *hcsdv1.ReadOutputResponse_Started:
		r.silence.meet(event.Started.GetProcess())
		return answer, checkSame(r.process.created, event.Started.GetProcess())
	case *hcsdv1.ReadOutputResponse_Heartbeat:
		r.silence.awake = true
	}
	return answer, nil
}

// callerError returns what has ended a call that belongs to many callers: the context of this one, if
// it is over, and else what the call says.
func callerError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	return err
}
