//! A process that is for one scope alone.
//!
//! | state    | event               | next                                                   |
//! |----------|---------------------|--------------------------------------------------------|
//! | Held     | `leave` or the drop | Ending: a task of its own kills it, 5 s at the most     |
//! | Held     | `detach`            | over; the process goes on                              |
//! | Ending   | the task is done    | over                                                   |

use std::{mem, ops::Deref, time::Duration};

use tokio::{runtime::Handle, task::JoinHandle, time::timeout};

use crate::Process;

/// To end a process that is left; arbitrary.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A [`Process`] that is killed when this is dropped, as
/// [`Client::run`](crate::Client::run) returns it.
///
/// Dropping it kills in the background, and with the runtime that ends, so does the attempt. Use
/// [`leave`](Self::leave) to know that it is over.
#[derive(Debug)]
pub struct ScopedProcess {
    process: Process,
    held: bool, // neither left nor detached
    runtime: Handle,
}

impl ScopedProcess {
    pub(crate) fn new(process: Process) -> Self {
        Self { process, held: true, runtime: Handle::current() }
    }

    /// Kills the process if it still runs, and waits until it has ended, 5 s at the most. If that
    /// fails, nobody is told.
    ///
    /// Cancel safety: the kill comes all the same.
    pub async fn leave(mut self) {
        if let Some(ending) = self.end() {
            // It fails if the runtime ends, which tells the caller all there is to tell.
            ending.await.unwrap_or_default();
        }
    }

    /// Lets the process go on.
    #[must_use]
    pub fn detach(mut self) -> Process {
        self.held = false;
        self.process.clone()
    }

    fn end(&mut self) -> Option<JoinHandle<()>> {
        if !mem::take(&mut self.held) {
            return None;
        }
        let process = self.process.clone();
        Some(self.runtime.spawn(async move {
            // What the caller leaves it for counts for more than that it cannot be killed.
            _ = timeout(LEAVE_TIMEOUT, process.terminate(Duration::ZERO)).await;
        }))
    }
}

impl Deref for ScopedProcess {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl Drop for ScopedProcess {
    fn drop(&mut self) {
        self.end();
    }
}
