package hcsd

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

const (
	shortestHeartbeat = 100 * time.Millisecond // the least and the most that a daemon takes
	longestHeartbeat  = time.Hour
	shortestSilence   = time.Second // less would take a busy machine for a broken connection
)

// heartbeat returns the interval to ask for on streams; nil if keepalive is off.
func (c *connection) heartbeat() *durationpb.Duration {
	if c.keepalive == 0 {
		return nil
	}
	return durationpb.New(min(max(c.keepalive, shortestHeartbeat), longestHeartbeat))
}

// silence watches over one call whose daemon sends heartbeats.
//
//	state    event                                 next
//	DEAF     a heartbeat, or options of a process  AWAKE
//	AWAKE    nothing comes while it is waited for  the call ends as one that has lost its connection
//
// An older daemon does not know of heartbeats. So a call is DEAF until one has come, or a process with
// the options in force: a daemon that tells these knows of heartbeats, too.
type silence struct {
	connection *connection
	interval   time.Duration           // of the heartbeats
	end        context.CancelCauseFunc // ends the call
	awake      bool
}

func newSilence(c *connection, interval *durationpb.Duration, end context.CancelCauseFunc) silence {
	return silence{connection: c, interval: interval.AsDuration(), end: end}
}

// meet notes what the daemon says of a process.
func (s *silence) meet(process *hcsdv1.Process) {
	s.awake = s.awake || process.GetOptions() != nil
}

// during receives the next message. The time runs only meanwhile: who does not read misses nothing.
func (s *silence) during(receive func() error) error {
	if !s.awake || s.connection.keepalive == 0 {
		return receive()
	}
	limit := max(2*s.interval, shortestSilence)
	timer := time.AfterFunc(limit, func() {
		s.end(s.connection.lost("nothing has come for %v, not even a heartbeat", limit))
	})
	defer timer.Stop()
	return receive()
}
