package hcsd

import "google.golang.org/grpc/codes"

// class is a kind of failure, which [errors.Is] tells. One that refines another matches it too.
type class struct {
	text    string
	refines *class
}

func (c *class) Error() string { return c.text }

// matches reports whether target is the class itself or what it refines.
func (c *class) matches(target error) bool {
	for ; c != nil; c = c.refines {
		if target == error(c) {
			return true
		}
	}
	return false
}

// The classes of an [*Error], for [errors.Is]. Those that are indented refine the one above.
var (
	ErrInvalidRequest     error = invalidRequest     // Violations lists every bad field
	ErrNotFound           error = notFound           // Resource says what
	ErrExecutableNotFound error = executableNotFound //   there is no such program
	ErrAlreadyExists      error = alreadyExists      // the id is taken
	ErrRequestIDReused    error = requestIDReused    //   the request id was used for another request
	ErrFailedPrecondition error = failedPrecondition // not in a state for this
	ErrDaemonRestarted    error = daemonRestarted    //   the daemon has lost its state, and the process
	ErrStdinBusy          error = stdinBusy          //   somebody else is writing
	ErrStdinClosed        error = stdinClosed        //   the process closed its stdin, or never had one
	ErrOutOfRange         error = outOfRange         // there is no such offset or revision
	ErrOutputEvicted      error = outputEvicted      //   the output is no longer kept
	ErrRevisionCompacted  error = revisionCompacted  //   the events are no longer kept
	ErrAborted            error = aborted            // ended by the daemon on behalf of somebody else
	ErrStdinTakenOver     error = stdinTakenOver     //   another writer of stdin took over
	ErrSubscriberStalled  error = subscriberStalled  //   a reader held up the process for too long
	ErrPermissionDenied   error = permissionDenied   // the daemon, or its account, may not do this
	ErrUnauthenticated    error = unauthenticated    // the daemon wants a token, or another one
	ErrResourceExhausted  error = resourceExhausted  // a limit is reached
	ErrUnimplemented      error = unimplemented      // this daemon, engine or guest has no such feature
	ErrDeadlineExceeded   error = deadlineExceeded   // the deadline was up; the effect may still happen
	ErrCallCancelled      error = callCancelled      // by the daemon; one's own cancellation is context.Canceled
	ErrInternal           error = internal           // a fault of the daemon, or of the contract
	ErrUnavailable        error = unavailable        // the daemon is stopping, or HCS is out of reach
	ErrDaemonUnreachable  error = daemonUnreachable  //   no daemon answers at the address
	ErrConnectionLost     error = connectionLost     //   the daemon went away during the call
)

// The classes of errors that are no failures of a call.
var (
	ErrAddress     error = &class{text: "not an address"}                // an [*AddressError]
	ErrTokenFile   error = &class{text: "unusable token file"}           // cannot be read, or is named for clear text
	ErrTLS         error = &class{text: "unusable TLS files"}            // cannot be read, do not fit, or are named for clear text
	ErrUsage       error = &class{text: "invalid arguments"}             // refused without asking the daemon
	ErrClosed      error = &class{text: "closed"}                        // the client, or the process, by its owner
	ErrExitUnknown error = &class{text: "there is no exit code to know"} // see [ExitCode]
)

// The classes of an [*ExitError].
var (
	ErrProcessFailed   error = processFailed   // its exit code is not 0, or nobody can tell it
	ErrProcessTimeout  error = processTimeout  //   it was killed, since its [WithRunTimeout] was up
	ErrOutputTruncated error = outputTruncated //   it wrote more than [Client.Output] returns
)

var (
	invalidRequest     = &class{text: "invalid request"}
	notFound           = &class{text: "not found"}
	executableNotFound = &class{text: "executable not found", refines: notFound}
	alreadyExists      = &class{text: "already exists"}
	requestIDReused    = &class{text: "request id reused", refines: alreadyExists}
	failedPrecondition = &class{text: "failed precondition"}
	daemonRestarted    = &class{text: "daemon restarted", refines: failedPrecondition}
	stdinBusy          = &class{text: "stdin busy", refines: failedPrecondition}
	stdinClosed        = &class{text: "stdin closed", refines: failedPrecondition}
	outOfRange         = &class{text: "out of range"}
	outputEvicted      = &class{text: "output evicted", refines: outOfRange}
	revisionCompacted  = &class{text: "revision compacted", refines: outOfRange}
	aborted            = &class{text: "aborted"}
	stdinTakenOver     = &class{text: "stdin taken over", refines: aborted}
	subscriberStalled  = &class{text: "subscriber stalled", refines: aborted}
	permissionDenied   = &class{text: "permission denied"}
	unauthenticated    = &class{text: "unauthenticated"}
	resourceExhausted  = &class{text: "resource exhausted"}
	unimplemented      = &class{text: "unimplemented"}
	deadlineExceeded   = &class{text: "deadline exceeded"}
	callCancelled      = &class{text: "call cancelled"}
	internal           = &class{text: "internal error"}
	unavailable        = &class{text: "unavailable"}
	daemonUnreachable  = &class{text: "daemon unreachable", refines: unavailable}
	connectionLost     = &class{text: "connection lost", refines: unavailable}
	processFailed      = &class{text: "process failed"}
	processTimeout     = &class{text: "process timeout", refines: processFailed}
	outputTruncated    = &class{text: "output truncated", refines: processFailed}
)

type condition struct {
	code   codes.Code
	reason string
}

// classes has the class of each code and reason. A row without a reason is for all others of its code.
var classes = map[condition]*class{
	{codes.InvalidArgument, ""}:                    invalidRequest,
	{codes.NotFound, ""}:                           notFound,
	{codes.NotFound, "EXECUTABLE_NOT_FOUND"}:       executableNotFound,
	{codes.AlreadyExists, ""}:                      alreadyExists,
	{codes.AlreadyExists, "REQUEST_ID_REUSED"}:     requestIDReused,
	{codes.FailedPrecondition, ""}:                 failedPrecondition,
	{codes.FailedPrecondition, "DAEMON_RESTARTED"}: daemonRestarted,
	{codes.FailedPrecondition, "STDIN_BUSY"}:       stdinBusy,
	{codes.FailedPrecondition, "STDIN_CLOSED"}:     stdinClosed,
	{codes.OutOfRange, ""}:                         outOfRange,
	{codes.OutOfRange, "OUTPUT_EVICTED"}:           outputEvicted,
	{codes.OutOfRange, "REVISION_COMPACTED"}:       revisionCompacted,
	{codes.Aborted, ""}:                            aborted,
	{codes.Aborted, "STDIN_TAKEN_OVER"}:            stdinTakenOver,
	{codes.Aborted, "SUBSCRIBER_STALLED"}:          subscriberStalled,
	{codes.PermissionDenied, ""}:                   permissionDenied,
	{codes.Unauthenticated, ""}:                    unauthenticated,
	{codes.ResourceExhausted, ""}:                  resourceExhausted,
	{codes.Unimplemented, ""}:                      unimplemented,
	{codes.DeadlineExceeded, ""}:                   deadlineExceeded,
	{codes.Canceled, ""}:                           callCancelled,
	{codes.Unavailable, ""}:                        unavailable,
	{codes.Unknown, ""}:                            internal,
	{codes.Internal, ""}:                           internal,
	{codes.DataLoss, ""}:                           internal,
}

// classOf returns the class of a code, also of one of the future, and a reason.
func classOf(code codes.Code, reason string) *class {
	for _, row := range []condition{{code, reason}, {code, ""}} {
		if found := classes[row]; found != nil {
			return found
		}
	}
	return internal
}
