package hcsd

import (
	"maps"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// CreateOption says more about a process to start.
type CreateOption func(*createSettings)

// WithStdin gives the process a stdin to write to, as STDIN_MODE_PIPE in the spec does. In a document
// CreateStdInPipe does it.
func WithStdin() CreateOption {
	return func(s *createSettings) { s.stdin = true }
}

// WithInput is what a process of [Client.Exec] reads from its stdin before end of file. Default: nothing. A
// document must have CreateStdInPipe for it.
func WithInput[Data ~[]byte | ~string](data Data) CreateOption {
	return func(s *createSettings) { s.input, s.ofExec = []byte(data), "WithInput" }
}

// WithMaxOutputBytes says how many bytes of each output [Client.Exec] returns, the last ones. Default, and
// at most: 1 MiB.
func WithMaxOutputBytes(bytes uint32) CreateOption {
	return func(s *createSettings) { s.maxOutput, s.ofExec = bytes, "WithMaxOutputBytes" }
}

// WithDir names the working directory in the guest, an absolute path. Default: the home of the user. This
// option and the next three are for a spec, and hold before what that says; a document says it itself.
func WithDir(path string) CreateOption {
	return shaping("WithDir", func(spec *hcsdv1.ProcessSpec) { spec.WorkingDirectory = path })
}

// WithEnv adds variables to those that the guest has anyway, each as NAME=VALUE; of two with one name the last
// holds.
func WithEnv(variables ...string) CreateOption {
	return func(s *createSettings) {
		for _, each := range variables {
			name, value, found := strings.Cut(each, "=")
			if !found || name == "" {
				s.problem = usageError("WithEnv takes variables as NAME=VALUE, and this is '%s'", each)
				return
			}
			shaping("WithEnv", func(spec *hcsdv1.ProcessSpec) {
				spec.Env = append(spec.Env, &hcsdv1.EnvironmentVariable{Name: name, Value: value})
			})(s)
		}
	}
}

// WithUser names who runs the process, as the guest names users. Default: the guest's own.
func WithUser(name string) CreateOption {
	return shaping("WithUser", func(spec *hcsdv1.ProcessSpec) { spec.User = name })
}

// WithConsole gives the process a console of so many character cells; all output is stdout then.
func WithConsole(columns, rows uint32) CreateOption {
	return shaping("WithConsole", func(spec *hcsdv1.ProcessSpec) {
		spec.Console = &hcsdv1.Console{Columns: columns, Rows: rows}
	})
}

// WithParent names the system to run in, as in systems/web. Default: [HostSystem].
func WithParent(name string) CreateOption {
	return func(s *createSettings) { s.request.Parent = name }
}

// WithParametersJSON gives a document for HcsCreateProcess (ProcessParameters), passed to HCS unchanged.
func WithParametersJSON(document string) CreateOption {
	return func(s *createSettings) {
		s.request.Source = &hcsdv1.CreateProcessRequest_ParametersJson{ParametersJson: document}
	}
}

// WithProcessID chooses the last part of the name of the process. Default: issued by the daemon.
func WithProcessID(id string) CreateOption {
	return func(s *createSettings) { s.request.ProcessId = id }
}

// WithLabels stores labels with the process.
func WithLabels(labels map[string]string) CreateOption {
	return func(s *createSettings) { s.request.Labels = maps.Clone(labels) }
}

// WithRequestID chooses the UUID that makes the call safe to repeat, so that another call, or another
// run of the program, finds the process again that this one has started. Default: a new one.
func WithRequestID(id string) CreateOption {
	return func(s *createSettings) { s.request.RequestId = id }
}

// WithRingBytes says how much of each output the daemon keeps. Default: 1 MiB.
func WithRingBytes(bytes uint64) CreateOption {
	return func(s *createSettings) { s.output().RingBytes = bytes }
}

// WithOverflow says what happens when that much is kept: OVERFLOW_POLICY_BLOCK makes the process wait for
// its readers, which is the default of [Client.Run]; OVERFLOW_POLICY_DROP_OLDEST forgets the oldest bytes,
// which is the default of [Client.Create].
func WithOverflow(policy hcsdv1.OverflowPolicy) CreateOption {
	return func(s *createSettings) { s.output().Overflow = policy }
}

// WithStderrToStdout joins stderr to stdout, in the order of writing, as 2>&1 does. Stderr then ends at
// once.
func WithStderrToStdout() CreateOption {
	return func(s *createSettings) { s.output().StderrToStdout = true }
}

// WithDiscard names outputs that nobody will read. The process writes them to nowhere, and never waits
// for a reader; they end at once.
func WithDiscard(streams ...hcsdv1.OutputStream) CreateOption {
	return func(s *createSettings) { s.output().Discard = append(s.output().Discard, streams...) }
}

// WithRunTimeout kills the process with its descendants when it has run for so long. Default, and 0:
// without limit.
func WithRunTimeout(timeout time.Duration) CreateOption {
	return func(s *createSettings) { s.options().RunTimeout = s.duration("WithRunTimeout", timeout) }
}

// WithDrainTimeout says how long the outputs stay open after the exit without a byte from a descendant that
// has them. Default: 5 s. 0: only what is in the pipe.
func WithDrainTimeout(timeout time.Duration) CreateOption {
	return func(s *createSettings) { s.options().DrainTimeout = s.duration("WithDrainTimeout", timeout) }
}

// WithPin keeps the process with its exit and output until [Process.Delete]. Without it the daemon forgets
// processes that have exited, some time later.
func WithPin() CreateOption {
	return func(s *createSettings) { s.options().Pin = true }
}

// WithOwnerGrace says how long a process of [Client.Run] or [Client.Exec] outlives a program that is gone, or whose
// connection is; then it is killed with its descendants (EXIT_REASON_OWNER_GONE). 0: it goes on.
// Default: [DefaultOwnerGrace].
func WithOwnerGrace(grace time.Duration) CreateOption {
	return func(s *createSettings) {
		s.duration("WithOwnerGrace", grace)
		s.ownerGrace = &grace
	}
}

type createSettings struct {
	request    *hcsdv1.CreateProcessRequest
	stdin      bool
	shapes     []func(*hcsdv1.ProcessSpec) // what the options say of the spec
	ofSpec     string                      // an option that is for a spec; empty without one
	input      []byte                      // these are for Exec
	maxOutput  uint32
	ofExec     string         // an option that is for Exec; empty without one
	ownerGrace *time.Duration // nil: the default
	problem    error          // with an option
}

// shaping returns an option that says something of the spec.
func shaping(name string, shape func(*hcsdv1.ProcessSpec)) CreateOption {
	return func(s *createSettings) { s.shapes, s.ofSpec = append(s.shapes, shape), name }
}

func (s *createSettings) options() *hcsdv1.ProcessOptions {
	if s.request.Options == nil {
		s.request.Options = new(hcsdv1.ProcessOptions)
	}
	return s.request.Options
}

func (s *createSettings) output() *hcsdv1.OutputOptions {
	if s.options().Output == nil {
		s.options().Output = new(hcsdv1.OutputOptions)
	}
	return s.options().Output
}

func (s *createSettings) duration(option string, duration time.Duration) *durationpb.Duration {
	if duration < 0 {
		s.problem = usageError("%s takes no negative time, and this is %v", option, duration)
	}
	return durationpb.New(duration)
}

// asForRun adds the defaults of Run, where neither the options nor the spec say something else.
func (s *createSettings) asForRun() {
	spec := s.request.GetSpec() // nil for a document
	if s.request.GetOptions().GetOutput().GetOverflow() == hcsdv1.OverflowPolicy_OVERFLOW_POLICY_UNSPECIFIED &&
		spec.GetOutput().GetOverflow() == hcsdv1.OverflowPolicy_OVERFLOW_POLICY_UNSPECIFIED {
		s.output().Overflow = hcsdv1.OverflowPolicy_OVERFLOW_POLICY_BLOCK
	}
	grace := DefaultOwnerGrace
	if s.ownerGrace != nil {
		grace = *s.ownerGrace
	}
	if grace > 0 && spec.GetOrphanPolicy() != hcsdv1.OrphanPolicy_ORPHAN_POLICY_KEEP {
		s.options().OrphanPolicy = hcsdv1.OrphanPolicy_ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT
		s.options().OwnerGrace = durationpb.New(grace)
	}
}
