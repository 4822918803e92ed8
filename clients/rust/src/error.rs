//! The one error of the crate.

use std::{borrow::Cow, collections::BTreeMap, error, fmt, io, sync::Arc, time::Duration};

use tonic::Code;

use crate::{Completed, calls::Contact, v1::HcsErrorDetail};

/// What went wrong, and so what to do about it.
///
/// Kinds are as narrow as can be: a program that is not there is [`ExecutableNotFound`], not also
/// [`NotFound`]. To match all that is of one gRPC code, use [`Error::code`].
///
/// [`ExecutableNotFound`]: ErrorKind::ExecutableNotFound
/// [`NotFound`]: ErrorKind::NotFound
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request breaks rules of the contract; [`Error::violations`] lists all of them.
    InvalidRequest,
    /// The process or system does not exist.
    NotFound,
    /// There is no such program.
    ExecutableNotFound,
    /// The id is taken.
    AlreadyExists,
    /// The request id was used for another request.
    RequestIdReused,
    /// The process or system is not in a state for this.
    FailedPrecondition,
    /// The daemon was started anew without its state, and the process ended with its earlier run.
    /// How it ended, and output that was not read before, cannot be known any more. From a creation
    /// it means: the request was sent, its answer was lost, and the daemon was started anew, so
    /// nobody knows whether the process ran.
    DaemonRestarted,
    /// Somebody else is writing to stdin.
    StdinBusy,
    /// Stdin was closed, or the process never had one.
    StdinClosed,
    /// An offset or revision lies past the end, or belongs to another state of the daemon.
    OutOfRange,
    /// The output asked for is no longer kept.
    OutputEvicted,
    /// Events after the revision asked for are no longer kept.
    RevisionCompacted,
    /// The daemon ended the call on behalf of somebody else.
    Aborted,
    /// Another client has written to stdin in between.
    StdinTakenOver,
    /// The reader made no progress for too long and held up the process.
    SubscriberStalled,
    /// The daemon, or the account it runs as, may not do this.
    PermissionDenied,
    /// The daemon wants a token, or another one.
    Unauthenticated,
    /// A limit is reached.
    ResourceExhausted,
    /// This daemon, engine or guest has no such feature.
    Unimplemented,
    /// HCS has not answered in time; the effect may still happen.
    DeadlineExceeded,
    /// The daemon cancelled the call. A future that is dropped has no error.
    CallCancelled,
    /// A fault of the daemon, or an answer that is against the contract.
    Internal,
    /// The daemon is stopping, or HCS is out of reach.
    Unavailable,
    /// No daemon answers at the address.
    DaemonUnreachable,
    /// The daemon went away during the call, or something between here and there ended it, such as a
    /// proxy.
    ConnectionLost,
    /// The client was closed, before the call or during it.
    Closed,
    /// A text is not an address of a daemon.
    Address,
    /// The token cannot be read from its file, or the file is named together with clear text.
    TokenFile,
    /// The files for TLS cannot be read, do not hold what they should, or are named together with clear
    /// text; or `HCSD_INSECURE` says neither yes nor no.
    Tls,
    /// The arguments of a method contradict each other.
    Usage,
    /// A process has not ended with 0, as [`Completed::check`] says; [`Error::completed`] has its output.
    ProcessFailed,
    /// A process was killed with what it had started, since its time was up; [`Error::completed`] has
    /// its output.
    ProcessTimeout,
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldViolation {
    /// Path of the field, as in `spec.argv.args`.
    pub field: String,
    /// Id of the rule that is broken, as in `required`; empty if the daemon gave none.
    pub rule: String,
    /// What would be right.
    pub message: String,
}

/// What an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resource {
    /// Kind of the resource, as in `hcsd.v1.Process`.
    pub kind: String,
    /// Its resource name.
    pub name: String,
    /// More about it; may be empty.
    pub description: String,
}

/// Why something failed: [`kind`](Error::kind) is for programs, the text for people.
#[derive(Clone)]
pub struct Error(Box<Failure>);

/// Everything that is known of a failure. Members are empty where the daemon says nothing.
#[derive(Clone)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) code: Option<Code>,
    pub(crate) message: String,
    pub(crate) reason: Cow<'static, str>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) violations: Vec<FieldViolation>,
    pub(crate) resource: Option<Resource>,
    pub(crate) retry_delay: Option<Duration>,
    pub(crate) hcs: Option<HcsErrorDetail>,
    pub(crate) completed: Option<Completed>,
    pub(crate) source: Option<Arc<dyn error::Error + Send + Sync>>,
}

impl Error {
    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The gRPC status code; none if it is no call that failed.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.0.code
    }

    /// Prose for people; never to be parsed.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Machine-readable reason: the symbol of an HRESULT, or the daemon's own, as in `STDIN_BUSY`;
    /// empty if the daemon did not answer.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Further machine-readable facts, by name.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.0.metadata
    }

    /// Every bad field of the request.
    #[must_use]
    pub fn violations(&self) -> &[FieldViolation] {
        &self.0.violations
    }

    /// What was not found, if the daemon says so.
    #[must_use]
    pub fn resource(&self) -> Option<&Resource> {
        self.0.resource.as_ref()
    }

    /// Time after which a retry is safe; none if the daemon promises nothing.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.retry_delay
    }

    /// What HCS itself said, if it was asked.
    #[must_use]
    pub fn hcs(&self) -> Option<&HcsErrorDetail> {
        self.0.hcs.as_ref()
    }

    /// The process that has failed, and what it wrote, of the kinds
    /// [`ProcessFailed`](ErrorKind::ProcessFailed) and [`ProcessTimeout`](ErrorKind::ProcessTimeout).
    #[must_use]
    pub fn completed(&self) -> Option<&Completed> {
        self.0.completed.as_ref()
    }

    /// The HRESULT; none if the failure is not one of HCS.
    #[must_use]
    pub fn hresult(&self) -> Option<u32> {
        if let Some(hcs) = &self.0.hcs {
            return Some(hcs.hresult);
        }
        let text = self.0.metadata.get("hresult")?;
        u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
    }

    /// Whether the daemon was out of reach, so that a call that is safe to repeat is worth repeating.
    pub(crate) fn is_passing(&self) -> bool {
        use ErrorKind::{ConnectionLost, DaemonUnreachable, Unavailable};
        matches!(self.kind(), ConnectionLost | DaemonUnreachable | Unavailable)
    }

    /// Whether it says that there is no daemon, to a caller that has not met one before.
    pub(crate) fn is_of_first(&self, contact: Contact) -> bool {
        contact == Contact::First && self.kind() == ErrorKind::DaemonUnreachable
    }

    /// Returns the same error, with more in its text.
    pub(crate) fn adding(mut self, more: &str) -> Self {
        self.0.message = format!("{}; {more}", self.0.message);
        self
    }

    pub(crate) fn address(text: &str, problem: &str, remedy: &str) -> Self {
        let message = format!("'{text}' is not an address of a daemon: {problem}; {remedy}");
        Self::new(ErrorKind::Address, message)
    }

    /// Returns the error of a connection that is lost for this reason.
    pub(crate) fn lost(cause: &str) -> Self {
        let message = format!("lost the connection to the daemon: {cause}");
        Failure::new(ErrorKind::ConnectionLost, Some(Code::Unavailable), message).into()
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the client is closed".to_owned())
    }

    /// Returns an error of a kind that no call ends with.
    pub(crate) fn new(kind: ErrorKind, message: String) -> Self {
        Failure::new(kind, None, message).into()
    }

    /// Returns the error for what only the client has found out, as if the daemon had said it.
    pub(crate) fn found(
        kind: ErrorKind,
        code: Code,
        reason: &'static str,
        message: String,
    ) -> Self {
        Failure { reason: reason.into(), ..Failure::new(kind, Some(code), message) }.into()
    }
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, code: Option<Code>, message: String) -> Self {
        Self {
            kind,
            code,
            message,
            reason: Cow::default(),
            metadata: BTreeMap::new(),
            violations: Vec::new(),
            resource: None,
            retry_delay: None,
            hcs: None,
            completed: None,
            source: None,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self(Box::new(failure))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

/// Shows what is set.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { kind, code, message, reason, .. } = &*self.0;
        let mut shown = f.debug_struct("Error");
        shown.field("kind", kind).field("message", message);
        if let Some(code) = code {
            shown.field("code", code);
        }
        if !reason.is_empty() {
            shown.field("reason", reason);
        }
        shown.finish_non_exhaustive()
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Wraps the error, for code that speaks of I/O; `io::Error::get_ref` and a downcast give it back. That
/// stdin is closed is a broken pipe.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::StdinClosed => Self::new(io::ErrorKind::BrokenPipe, error),
            _ => Self::other(error),
        }
    }
}
