//! A process as an object that outlives its connections.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use tokio::try_join;
use tonic::{Code, Response, Status};

use crate::{
    Completed, Error, ErrorKind, Lines, Output, Position, Result, Stdin, Transport,
    calls::{Calls, Contact},
    v1::{
        self, Console, GetProcessRequest, ModifyProcessRequest, OutputStream, ProcessExit,
        ProcessSignal, ProcessState, SignalProcessRequest, SignalProcessResponse,
        WaitProcessRequest, modify_process_request::Modification,
        process_service_client::ProcessServiceClient, process_signal::Signal,
    },
};

/// A process of the daemon, as [`Client::create`](crate::Client::create) and
/// [`Client::open`](crate::Client::open) return it. Cheap to clone; dropping it changes nothing.
///
/// Read both of its outputs, as [`communicate`](Self::communicate) does: a process that waits for a
/// reader of its stderr writes nothing to its stdout, either. If nobody wants its stderr, create it with
/// [`Command::discard`](crate::Command::discard) or
/// [`stderr_to_stdout`](crate::Command::stderr_to_stdout).
///
/// It is not bound to a connection: what it reads, writes and waits for goes on where it stopped
/// when the daemon is reached again, within the bounds of [`Retry`](crate::Retry). Only
/// [`signal`](Self::signal) is never sent twice. All that is asked for is meant for this process
/// alone: if the daemon was started anew without its state, which ends its processes, every method
/// fails with [`ErrorKind::DaemonRestarted`], and if the process was deleted with
/// [`ErrorKind::NotFound`].
///
/// What is written, sent or asked to end goes by the name, so with a process id that is used again
/// after a deletion by somebody else it would reach the later process. Ids that the daemon issues, which
/// is what it does by default, are never used again.
///
/// Cancel safety: unless a method says otherwise, dropping its future ends the wait for the answer, and
/// what the daemon has begun it completes.
#[derive(Clone)]
pub struct Process {
    shared: Arc<Shared>,
}

struct Shared {
    calls: Calls,
    created: Arc<v1::Process>,
    stdin: Stdin,
    exit: OnceLock<ProcessExit>,
}

impl Process {
    pub(crate) fn new(calls: &Calls, created: v1::Process, stdin_offset: Option<u64>) -> Self {
        let calls = calls.pinned(&created.incarnation);
        let stdin = Stdin::new(calls.clone(), created.name.clone(), stdin_offset);
        let created = Arc::new(created);
        Self { shared: Arc::new(Shared { calls, created, stdin, exit: OnceLock::new() }) }
    }

    /// Its resource name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.created().name
    }

    /// What tells it from another process that gets its name.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.created().uid
    }

    /// Its process id in the guest.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.created().pid
    }

    /// The process as it was when this object was made.
    #[must_use]
    pub fn created(&self) -> &v1::Process {
        &self.shared.created
    }

    /// Its stdin, shared by all clones.
    #[must_use]
    pub fn stdin(&self) -> &Stdin {
        &self.shared.stdin
    }

    /// Returns a reader of its stdout from the first byte on; with a console, of all output.
    #[must_use]
    pub fn stdout(&self) -> Output {
        self.output(OutputStream::Stdout, Position::START)
    }

    /// Returns a reader of its stderr from the first byte on.
    #[must_use]
    pub fn stderr(&self) -> Output {
        self.output(OutputStream::Stderr, Position::START)
    }

    /// Returns a reader of an output from any place. Reading takes nothing away, and any number may
    /// read, each at its own pace.
    #[must_use]
    pub fn output(&self, stream: OutputStream, from: Position) -> Output {
        let Shared { calls, created, .. } = &*self.shared;
        Output::new(calls.clone(), Arc::clone(created), stream, from)
    }

    /// Returns each line of both outputs as text, in the order in which the daemon read them; see
    /// [`Lines`].
    #[must_use]
    pub fn lines(&self) -> Lines {
        let Shared { calls, created, .. } = &*self.shared;
        Lines::new(calls.clone(), Arc::clone(created))
    }

    /// Returns the process as it is now.
    pub async fn get(&self) -> Result<v1::Process> {
        let request = GetProcessRequest { name: self.name().to_owned() };
        let call = self.repeat("GetProcess", request, |mut stub, request| async move {
            stub.get_process(request).await
        });
        self.checked(call.await?.process)
    }

    /// Waits for the exit, which waits for no output, and returns how the process ended.
    ///
    /// Of a process that HCS has lost the outcome is unknown, until it is found again.
    ///
    /// Cancel safety: waiting takes nothing away, and a deadline leaves the process alone.
    pub async fn wait(&self) -> Result<ProcessExit> {
        if let Some(exit) = self.shared.exit.get() {
            return Ok(exit.clone());
        }
        let request =
            WaitProcessRequest { name: self.name().to_owned(), ..WaitProcessRequest::default() };
        let calls = self.calls();
        let call =
            calls.wait("WaitProcess", Contact::Later, request, |mut stub, request| async move {
                stub.wait_process(request).await
            });
        let process = self.checked(call.await?.process)?;
        let state = process.state();
        let exit = process.exit.unwrap_or_default();
        if state == ProcessState::Exited {
            // Not a lost one, which may be found again.
            return Ok(self.shared.exit.get_or_init(|| exit).clone());
        }
        Ok(exit)
    }

    /// Sends a signal, by its name with or without `SIG`, or by its number. That the process has exited
    /// is no error, but in the answer's `delivery`.
    ///
    /// It is sent at most once: if the connection is lost, or the future dropped, it may have been
    /// delivered. While the daemon is away it is not sent, and waits.
    pub async fn signal(&self, signal: impl Into<ProcessSignal>) -> Result<SignalProcessResponse> {
        let request =
            SignalProcessRequest { name: self.name().to_owned(), signal: Some(signal.into()) };
        let call = self.calls().once("SignalProcess", request, |mut stub, request| async move {
            stub.signal_process(request).await
        });
        call.await
    }

    /// Changes the size of the console, in character cells.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::FailedPrecondition`]: the process has no console, or has exited.
    pub async fn resize(&self, columns: u32, rows: u32) -> Result<()> {
        let request = ModifyProcessRequest {
            name: self.name().to_owned(),
            modification: Some(Modification::ConsoleSize(Console { columns, rows })),
        };
        let call = self.repeat("ModifyProcess", request, |mut stub, request| async move {
            stub.modify_process(request).await
        });
        call.await.map(drop)
    }

    /// Writes to stdin, closes it, reads both outputs to their ends, and waits for the exit. That the
    /// process does not read all of its input is no error.
    ///
    /// Cancel safety: what was read is lost to the caller, not to the daemon; for stdin see
    /// [`Stdin::write`].
    pub async fn communicate(&self, input: &[u8]) -> Result<Completed> {
        let writing = async {
            match self.stdin().write(input).await {
                Err(error) if error.kind() != ErrorKind::StdinClosed => Err(error),
                _ => self.stdin().close().await,
            }
        };
        let (mut stdout, mut stderr) = (self.stdout(), self.stderr());
        let ((), stdout, stderr) = try_join!(writing, stdout.read_all(), stderr.read_all())?;
        let (name, exit) = (self.name().to_owned(), self.wait().await?);
        Ok(Completed { name, exit, stdout, stderr, truncated: false })
    }

    pub(crate) fn calls(&self) -> &Calls {
        &self.shared.calls
    }

    /// Makes a call that is safe to repeat until the daemon answers.
    pub(crate) async fn repeat<R: Clone, A, F>(
        &self,
        what: &'static str,
        request: R,
        call: impl Fn(ProcessServiceClient<Transport>, R) -> F,
    ) -> Result<A>
    where
        F: Future<Output = std::result::Result<Response<A>, Status>>,
    {
        self.calls().repeat(what, Contact::Later, request, call).await
    }

    fn checked(&self, found: Option<v1::Process>) -> Result<v1::Process> {
        let found = found.unwrap_or_default();
        check_same(self.created(), &found)?;
        Ok(found)
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name())
            .field("uid", &self.uid())
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

/// Refuses what the daemon says of another process, which has got the same name.
pub(crate) fn check_same(known: &v1::Process, found: &v1::Process) -> Result<()> {
    if found.uid == known.uid {
        return Ok(());
    }
    let message =
        format!("process '{}' was deleted; there is another one of its name now", known.name);
    Err(Error::found(ErrorKind::NotFound, Code::NotFound, "PROCESS_NOT_FOUND", message))
}

/// By name, with or without `SIG`.
impl From<&str> for ProcessSignal {
    fn from(name: &str) -> Self {
        Self { signal: Some(Signal::SignalName(name.to_owned())) }
    }
}

/// By number, as the guest counts.
impl From<i32> for ProcessSignal {
    fn from(number: i32) -> Self {
        Self { signal: Some(Signal::SignalNumber(number)) }
    }
}
