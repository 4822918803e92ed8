package main

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"

	hcsd "github.com/hcsd/hcsd/clients/go"
)

type failure struct {
	Class      string            `json:"class"`
	Type       string            `json:"type"`
	Code       string            `json:"code,omitempty"`
	Message    string            `json:"message"`
	Reason     string            `json:"reason,omitempty"`
	HResult    *uint32           `json:"hresult,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	Violations []violation       `json:"violations,omitempty"`
}

type violation struct {
	Field string `json:"field"`
	Rule  string `json:"rule"`
}

// unsupported is what the runner itself does not know.
type unsupported string

func (u unsupported) Error() string { return string(u) }

// classes has those that refine others first: errors.Is tells both.
var classes = []struct {
	sentinel error
	name     string
}{
	{context.Canceled, "Cancelled"},
	{hcsd.ErrClosed, "Closed"},
	{hcsd.ErrAddress, "Address"},
	{hcsd.ErrTokenFile, "TokenFile"},
	{hcsd.ErrTLS, "Tls"},
	{hcsd.ErrUsage, "Usage"},
	{hcsd.ErrProcessTimeout, "ProcessTimeout"},
	{hcsd.ErrProcessFailed, "ProcessFailed"},
	{hcsd.ErrExecutableNotFound, "ExecutableNotFound"},
	{hcsd.ErrRequestIDReused, "RequestIdReused"},
	{hcsd.ErrDaemonRestarted, "DaemonRestarted"},
	{hcsd.ErrStdinBusy, "StdinBusy"},
	{hcsd.ErrStdinClosed, "StdinClosed"},
	{hcsd.ErrOutputEvicted, "OutputEvicted"},
	{hcsd.ErrRevisionCompacted, "RevisionCompacted"},
	{hcsd.ErrStdinTakenOver, "StdinTakenOver"},
	{hcsd.ErrSubscriberStalled, "SubscriberStalled"},
	{hcsd.ErrDaemonUnreachable, "DaemonUnreachable"},
	{hcsd.ErrConnectionLost, "ConnectionLost"},
	{hcsd.ErrInvalidRequest, "InvalidRequest"},
	{hcsd.ErrNotFound, "NotFound"},
	{hcsd.ErrAlreadyExists, "AlreadyExists"},
	{hcsd.ErrFailedPrecondition, "FailedPrecondition"},
	{hcsd.ErrOutOfRange, "OutOfRange"},
	{hcsd.ErrAborted, "Aborted"},
	{hcsd.ErrPermissionDenied, "PermissionDenied"},
	{hcsd.ErrUnauthenticated, "Unauthenticated"},
	{hcsd.ErrResourceExhausted, "ResourceExhausted"},
	{hcsd.ErrUnimplemented, "Unimplemented"},
	{hcsd.ErrDeadlineExceeded, "DeadlineExceeded"},
	{hcsd.ErrCallCancelled, "CallCancelled"},
	{hcsd.ErrInternal, "Internal"},
	{hcsd.ErrUnavailable, "Unavailable"},
}

// names are those of the contract; a codes.Code prints itself in another form.
var names = map[codes.Code]string{
	codes.Canceled:           "CANCELLED",
	codes.Unknown:            "UNKNOWN",
	codes.InvalidArgument:    "INVALID_ARGUMENT",
	codes.DeadlineExceeded:   "DEADLINE_EXCEEDED",
	codes.NotFound:           "NOT_FOUND",
	codes.AlreadyExists:      "ALREADY_EXISTS",
	codes.PermissionDenied:   "PERMISSION_DENIED",
	codes.ResourceExhausted:  "RESOURCE_EXHAUSTED",
	codes.FailedPrecondition: "FAILED_PRECONDITION",
	codes.Aborted:            "ABORTED",
	codes.OutOfRange:         "OUT_OF_RANGE",
	codes.Unimplemented:      "UNIMPLEMENTED",
	codes.Internal:           "INTERNAL",
	codes.Unavailable:        "UNAVAILABLE",
	codes.DataLoss:           "DATA_LOSS",
	codes.Unauthenticated:    "UNAUTHENTICATED",
}

func failureOf(err error) *failure {
	f := &failure{Class: classOf(err), Type: fmt.Sprintf("%T", err), Message: err.Error()}
	var call *hcsd.Error
	if !errors.As(err, &call) {
		return f
	}
	f.Code, f.Reason, f.Metadata = names[call.Code], call.Reason, call.Metadata
	if hresult, ok := call.HResult(); ok {
		f.HResult = &hresult
	}
	for _, v := range call.Violations {
		f.Violations = append(f.Violations, violation{v.Field, v.Rule})
	}
	return f
}

func classOf(err error) string {
	var ours unsupported
	if errors.As(err, &ours) {
		return "Unsupported"
	}
	for _, class := range classes {
		if errors.Is(err, class.sentinel) {
			return class.name
		}
	}
	return "none of the library's" // which fails the case
}
