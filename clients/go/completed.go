package hcsd

import (
	"fmt"
	"strings"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

const shownOfStderr = 200 // bytes, in a message

// Completed is a process that has ended, and its output.
type Completed struct {
	Name      string              // its resource name
	Exit      *hcsdv1.ProcessExit // how it ended
	Stdout    []byte              // with a console, all output
	Stderr    []byte
	Truncated bool // the begin of an output is missing, since it was too much for one answer of Exec
}

// ExitCode returns its exit code, 0 to 1<<32 - 1; -1 if nobody can tell. [ExitCode] of Exit says why.
func (c *Completed) ExitCode() int64 {
	code, err := ExitCode(c.Exit)
	if err != nil {
		return -1
	}
	return int64(code)
}

// TimedOut reports whether it was killed, since its [WithRunTimeout] was up.
func (c *Completed) TimedOut() bool {
	return c.Exit.GetReason() == hcsdv1.ExitReason_EXIT_REASON_RUN_TIMEOUT
}

// Check returns nil if the exit code is 0, and else an [*ExitError].
func (c *Completed) Check() error {
	switch {
	case c.TimedOut():
		return &ExitError{c, processTimeout}
	case c.ExitCode() != 0:
		return &ExitError{c, processFailed}
	}
	return nil
}

// ExitError says that a process has not ended as it should. [errors.Is] tells its class: all are
// [ErrProcessFailed]; [ErrProcessTimeout] and [ErrOutputTruncated] refine that.
type ExitError struct {
	*Completed // how it ended, and what it wrote
	class      *class
}

// Error says how the process ended, with the end of its stderr.
func (e *ExitError) Error() string {
	text := fmt.Sprintf("process '%s' %s", e.Name, e.ending())
	if said := strings.TrimSpace(string(e.Stderr)); said != "" {
		text += ": " + strings.ToValidUTF8(said[max(0, len(said)-shownOfStderr):], "\uFFFD")
	}
	return text
}

// Is reports whether target is the class of the error, or one that this refines.
func (e *ExitError) Is(target error) bool { return e.class.matches(target) }

func (e *ExitError) ending() string {
	code, err := ExitCode(e.Exit)
	switch {
	case e.class == outputTruncated:
		return "wrote more than one answer holds: use Run and Communicate"
	case e.class == processTimeout:
		return "was killed, since its time was up"
	case err != nil:
		return "has ended: " + err.Error()
	}
	return fmt.Sprintf("exited with code %d", code)
}
