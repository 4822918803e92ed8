package hcsd

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

const errorDomain = "hcsd"

// Error says why a call failed, as the daemon says or on the way to it. [errors.Is] tells its class.
type Error struct {
	// Code is the gRPC status code.
	Code codes.Code
	// Message is prose for people, never to be parsed.
	Message string
	// Reason is the machine-readable reason: the symbol of an HRESULT, or the daemon's own, as in
	// STDIN_BUSY. It is empty if the daemon did not answer.
	Reason string
	// Metadata has further machine-readable facts, by name.
	Metadata map[string]string
	// Violations lists every bad field of the request.
	Violations []FieldViolation
	// Resource is what the error is about, if the daemon says so.
	Resource *Resource
	// RetryDelay is how long to wait before a retry that is safe; 0 if the daemon promises nothing.
	RetryDelay time.Duration
	// HCS is what HCS itself said; nil if it was not asked.
	HCS *hcsdv1.HcsErrorDetail

	class  *class
	status *status.Status
	said   bool  // by the daemon itself
	cause  error // that of the caller's own context, if it has ended the call
}

// FieldViolation is what is wrong with one field of a request.
type FieldViolation struct {
	Field   string // path of the field, as in spec.argv.args
	Rule    string // id of the rule that is broken, as in required; may be empty
	Message string // what would be right
}

// Resource is what an error is about.
type Resource struct {
	Type        string // kind of the resource, as in hcsd.v1.Process
	Name        string // its resource name
	Description string // more about it; may be empty
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Is reports whether target is the class of the error, or one that this refines.
func (e *Error) Is(target error) bool { return e.class.matches(target) }

// Unwrap returns [context.DeadlineExceeded] if that of the caller is what has ended the call.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus returns the status that the call ended with, with all its details.
func (e *Error) GRPCStatus() *status.Status { return e.status }

// HResult returns the HRESULT, unsigned, and whether there is one: whether the failure is one of HCS.
func (e *Error) HResult() (hresult uint32, ok bool) {
	if e.HCS != nil {
		return e.HCS.GetHresult(), true
	}
	value, err := strconv.ParseUint(e.Metadata["hresult"], 0, 32)
	return uint32(value), err == nil
}

// fromStatus returns the error that a status stands for.
func fromStatus(s *status.Status) *Error {
	e := &Error{Code: s.Code(), Message: s.Message(), status: s}
	if e.Message == "" {
		e.Message = "the call ended with " + e.Code.String()
	}
	for _, detail := range s.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == errorDomain {
				e.Reason, e.Metadata, e.said = detail.GetReason(), detail.GetMetadata(), true
			}
		case *errdetails.BadRequest:
			for _, v := range detail.GetFieldViolations() {
				e.Violations = append(e.Violations, FieldViolation{v.GetField(), v.GetReason(), v.GetDescription()})
			}
		case *errdetails.ResourceInfo:
			e.Resource = &Resource{detail.GetResourceType(), detail.GetResourceName(), detail.GetDescription()}
		case *errdetails.RetryInfo:
			e.RetryDelay = detail.GetRetryDelay().AsDuration()
		case *hcsdv1.HcsErrorDetail:
			e.HCS = detail
		}
	}
	e.class = classOf(e.Code, e.Reason)
	return e
}

// newError returns the error for what only the client has found out, as if the daemon had said it.
func newError(code codes.Code, reason, message string) error {
	s, err := status.New(code, message).WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: errorDomain})
	if err != nil {
		return fmt.Errorf("%s (%w)", message, err)
	}
	return fromStatus(s)
}

// checkSame refuses what the daemon says of another process, which has got the same name.
func checkSame(known, found *hcsdv1.Process) error {
	if known.GetUid() == found.GetUid() {
		return nil
	}
	return newError(codes.NotFound, "PROCESS_NOT_FOUND",
		fmt.Sprintf("process '%s' was deleted; there is another one of its name now", known.GetName()))
}

// localError is an error of a class that is no failure of a call.
type localError struct {
	class   error
	message string
	cause   error
}

func (e *localError) Error() string        { return e.message }
func (e *localError) Is(target error) bool { return target == e.class }
func (e *localError) Unwrap() error        { return e.cause }

func usageError(format string, arguments ...any) error {
	return &localError{class: ErrUsage, message: fmt.Sprintf(format, arguments...)}
}

// contextError returns the error for a call that its context has ended.
func contextError(ctx context.Context) error {
	switch cause := context.Cause(ctx).(type) {
	case *localError, *Error: // we have, by a Close or because nothing came any more
		return cause
	}
	err := ctx.Err()
	if err != context.DeadlineExceeded {
		return err
	}
	e := fromStatus(status.New(codes.DeadlineExceeded, "the deadline of the caller is over; what the daemon has begun goes on"))
	e.cause = err
	return e
}
