//! The stdin of a process, as writes that survive lost connections.
//!
//! | state      | event                                | next                                             |
//! |------------|--------------------------------------|--------------------------------------------------|
//! | Known      | `write` or `close`                   | On its way                                       |
//! | On its way | the answer                           | Known                                            |
//! | On its way | the answer that time is up           | On its way: at once, what is left of the write   |
//! | On its way | the daemon is out of reach           | On its way: after a while, the same write again  |
//! | On its way | the future is dropped, another error | Unknown                                          |
//! | Unknown    | the next `write`, which asks first   | Known                                            |
//!
//! No call waits for long, since proxies end calls that do. What is known is the offset, how many bytes the pipe has taken. A repeated write starts at the same
//! offset, and the daemon skips what it has taken already. A write whose call was lost may still be
//! under way at the daemon, which then says that stdin is busy: that is a reason to wait, as being out
//! of reach is.
//!
//! Bytes that the daemon skips of a write that was not repeated were taken for those of another client,
//! and that is an error. Of a repeated write it cannot be told whose they were: clients that share a
//! stdin must agree.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::{io::AsyncWrite, sync::Mutex, time::Instant};
use tonic::Code;

use crate::{
    Error, ErrorKind, Result,
    calls::Calls,
    polled::Polled,
    v1::{WriteInputRequest, WriteInputResponse},
};

/// Of one call; a daemon takes up to 4 MiB at once.
const WRITE_BYTES: usize = 1024 * 1024;

/// The stdin of a process, also as an `AsyncWrite`. Clones are the same stdin; their writes come one
/// after the other.
///
/// A lost connection shows only as a pause, within the bounds of [`Retry`](crate::Retry): every byte
/// reaches the process once and in order. End-of-file is what [`close`](Self::close) asks for, and
/// nothing else.
///
/// As an `AsyncWrite` it takes up to 1 MiB at once and writes it while it is polled. `flush` waits until
/// the pipe has taken all of it, and `shutdown` closes stdin, too:
///
/// ```no_run
/// # async fn example(process: hcsd_client::Process) -> std::io::Result<()> {
/// use tokio::{fs::File, io::{AsyncWriteExt, copy}};
///
/// let mut file = File::open("input").await?;
/// let mut stdin = process.stdin().clone();
/// copy(&mut file, &mut stdin).await?;
/// stdin.shutdown().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::StdinClosed`] if the process has closed its stdin or never had one,
/// [`ErrorKind::StdinBusy`] if another client is writing, [`ErrorKind::StdinTakenOver`] if one has
/// written in between, and those of every method of [`Process`](crate::Process).
#[derive(Clone, Debug)]
pub struct Stdin {
    calls: Calls,
    name: Arc<str>,
    state: Arc<Mutex<State>>,
    polled: Polled, // of this clone alone
}

/// See the head of the module.
#[derive(Debug)]
struct State {
    known: Option<u64>,
    left: bool, // a call of ours ended without an answer, and may go on at the daemon
}

impl Stdin {
    pub(crate) fn new(calls: Calls, name: String, offset: Option<u64>) -> Self {
        let state = State { known: offset, left: false };
        let state = Arc::new(Mutex::new(state));
        Self { calls, name: name.into(), state, polled: Polled::default() }
    }

    /// Writes all of `data`, as fast as the process reads it: returns when the pipe has taken it.
    ///
    /// Cancel safety: after a drop, or an error, [`committed`](Self::committed) tells how much the pipe
    /// has taken, and the next write goes on there.
    pub async fn write(&self, data: &[u8]) -> Result<()> {
        let mut state = self.state.lock().await;
        for part in data.chunks(WRITE_BYTES) {
            self.send(&mut state, Bytes::copy_from_slice(part), false).await?;
        }
        Ok(())
    }

    /// Lets the process read end-of-file; idempotent, and no error if stdin is closed already.
    ///
    /// Cancel safety: a close that has reached the daemon completes; repeating it is safe.
    pub async fn close(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        self.send(&mut state, Bytes::new(), true).await
    }

    /// Returns how many bytes the pipe has taken from the start of the process.
    ///
    /// Cancel safety: asking changes nothing.
    pub async fn committed(&self) -> Result<u64> {
        let mut state = self.state.lock().await;
        self.known(&mut state).await
    }

    async fn known(&self, state: &mut State) -> Result<u64> {
        if let Some(offset) = state.known {
            return Ok(offset);
        }
        let answer = self.call(state, 0, Bytes::new(), false).await?;
        state.known = Some(answer.committed_offset);
        Ok(answer.committed_offset)
    }

    async fn send(&self, state: &mut State, data: Bytes, close_stdin: bool) -> Result<()> {
        let offset = self.known(state).await?;
        state.known = None;
        let answer = self.call(state, offset, data, close_stdin).await?;
        state.known = Some(answer.committed_offset);
        Ok(())
    }

    async fn call(
        &self,
        state: &mut State,
        offset: u64,
        data: Bytes,
        close_stdin: bool,
    ) -> Result<WriteInputResponse> {
        let name = self.name.to_string();
        let mut request = WriteInputRequest { name, offset, data, close_stdin, timeout: None };
        let mut attempts = self.calls.attempts("WriteInput");
        let mut pieces = self.calls.keepalive.pieces();
        let mut repeated = false;
        loop {
            let left_before = state.left;
            state.left = true; // and so it stays if this future is dropped
            request.timeout = pieces.timeout();
            let began = Instant::now();
            let mut stub = self.calls.processes();
            let call = stub.write_input(request.clone());
            match self.calls.piece(pieces.length(), call).await {
                Ok(answer) => {
                    state.left = false;
                    let answer = answer.into_inner();
                    if answer.skipped_bytes > 0 && !repeated {
                        return Err(self.taken_over(answer.skipped_bytes));
                    }
                    attempts.succeeded();
                    if !answer.timed_out {
                        return Ok(answer);
                    }
                    repeated = false;
                    go_on(&mut request, answer.committed_offset);
                }
                Err(error) if error.is_passing() => {
                    repeated = true;
                    if error.kind() == ErrorKind::ConnectionLost {
                        pieces.lost(began.elapsed());
                    }
                    attempts.failed(error).await?;
                }
                Err(error) if error.kind() == ErrorKind::StdinBusy && left_before => {
                    attempts.failed(error).await?;
                }
                Err(error) => {
                    state.left = left_before;
                    return Err(error);
                }
            }
        }
    }

    fn taken_over(&self, skipped: u64) -> Error {
        let message = format!(
            "another client has written to stdin of '{}': {skipped} bytes of this one were taken \
             for its",
            self.name
        );
        Error::found(ErrorKind::StdinTakenOver, Code::Aborted, "STDIN_TAKEN_OVER", message)
    }
}

/// Leaves out of a write what the pipe has taken.
fn go_on(request: &mut WriteInputRequest, committed: u64) {
    let taken = usize::try_from(committed.saturating_sub(request.offset)).unwrap_or(usize::MAX);
    request.data.advance(taken.min(request.data.len()));
    request.offset = committed;
}

/// An error is an `io::Error` around an [`Error`], and is that of the bytes before.
impl AsyncWrite for Stdin {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stdin = self.get_mut();
        ready!(stdin.polled.poll(cx))?;
        let part = Bytes::copy_from_slice(&data[..data.len().min(WRITE_BYTES)]);
        let (count, writer) = (part.len(), stdin.clone());
        stdin.polled.begin(async move { writer.write(&part).await });
        match stdin.polled.poll(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(count)), // and it goes on with the next poll
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().polled.poll(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stdin = self.get_mut();
        if !stdin.polled.closing {
            ready!(stdin.polled.poll(cx))?;
            let closer = stdin.clone();
            stdin.polled.begin(async move { closer.close().await });
            stdin.polled.closing = true;
        }
        stdin.polled.poll(cx)
    }
}
