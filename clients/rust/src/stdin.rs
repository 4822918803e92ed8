//! The stdin of a process, as writes that survive lost connections.
//!
//! | state      | event                                | next                                             |
//! |------------|--------------------------------------|--------------------------------------------------|
//! | Known      | `write` or `close`                   | On its way                                       |
//! | On its way | the answer                           | Known                                            |
//! | On its way | the daemon is out of reach           | On its way: after a while, the same write again  |
//! | On its way | the future is dropped, another error | Unknown                                          |
//! | Unknown    | the next `write`, which asks first   | Known                                            |
//!
//! What is known is the offset, how many bytes the pipe has taken. A repeated write starts at the same
//! offset, and the daemon skips what it has taken already. A write whose call was lost may still be
//! under way at the daemon, which then says that stdin is busy: that is a reason to wait, as being out
//! of reach is.
//!
//! Bytes that the daemon skips of a write that was not repeated were taken for those of another client,
//! and that is an error. Of a repeated write it cannot be told whose they were: clients that share a
//! stdin must agree.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Mutex;
use tonic::Code;

use crate::{
    Error, ErrorKind, Result,
    calls::Calls,
    retry::Attempts,
    v1::{WriteInputRequest, WriteInputResponse},
};

/// Of one call; a daemon takes up to 4 MiB at once.
const WRITE_BYTES: usize = 1024 * 1024;

/// The stdin of a process. Clones are the same stdin; their writes come one after the other.
///
/// A lost connection shows only as a pause, within the bounds of [`Retry`](crate::Retry): every byte
/// reaches the process once and in order. End-of-file is what [`close`](Self::close) asks for, and
/// nothing else.
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
        Self { calls, name: name.into(), state: Arc::new(Mutex::new(state)) }
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
        let request = WriteInputRequest { name: self.name.to_string(), offset, data, close_stdin };
        let mut attempts = Attempts::new(self.calls.retry);
        let mut repeated = false;
        loop {
            let left_before = state.left;
            state.left = true; // and so it stays if this future is dropped
            let mut stub = self.calls.processes();
            match self.calls.answer(stub.write_input(request.clone())).await {
                Ok(answer) => {
                    state.left = false;
                    let answer = answer.into_inner();
                    if answer.skipped_bytes > 0 && !repeated {
                        return Err(self.taken_over(answer.skipped_bytes));
                    }
                    return Ok(answer);
                }
                Err(error) if error.is_unavailable() => {
                    repeated = true;
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
