//! A process that is for one scope alone.
//!
//! | state  | event                            | next                                                |
//! |--------|----------------------------------|-----------------------------------------------------|
//! | Held   | `leave` or the drop              | Ending: a task of the runtime kills it              |
//! | Held   | `leave` or the drop, but the     | Last: a thread kills it, over a connection of its   |
//! |        | runtime has ended                | own, and the drop waits for the thread              |
//! | Held   | `detach`                         | over; the process goes on                           |
//! | Ending | the kill is done, or 5 s are up  | over                                                |
//! | Ending | the runtime ends, and so drops   | Last: as above, and the end of the runtime waits    |
//! |        | the task                         |                                                     |
//! | Last   | the kill is done, or 5 s are up  | over                                                |
//!
//! Beside that a task owns the process (see `owner`). It ends after the kill. If the program ends without
//! a drop, so does the owner's call, and the daemon kills the process by itself.

use std::{mem, ops::Deref, thread, time::Duration};

use tokio::{
    runtime::{self, Handle},
    task::JoinHandle,
    time::timeout,
};

use crate::{Process, owner::own};

/// To end a process that is left; arbitrary.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A [`Process`] that is killed, with its descendants, when this is dropped, as
/// [`Client::run`](crate::Client::run) returns it. Descendants are killed also if the process itself
/// has exited by then.
///
/// Dropping it kills in the background, for 5 s at the most, and reports nothing. Use
/// [`leave`](Self::leave) to know that it is over.
///
/// A runtime that ends waits for such a kill. So an early `?` in an async `main` ends the process, too.
/// Dropped when its runtime has ended already, it blocks the thread until the kill is done.
///
/// A program may also end without dropping anything: by [`std::process::exit`], an abort, or a runtime
/// that is ended by `shutdown_background`. Then the daemon kills the process after its
/// [`owner_grace`](crate::Command::owner_grace), and so it does if the client is
/// [closed](crate::Client::close).
#[derive(Debug)]
#[must_use = "the process is killed when this is dropped"]
pub struct ScopedProcess {
    process: Process,
    held: bool, // neither left nor detached
    owner: Option<JoinHandle<()>>,
    runtime: Handle,
}

impl ScopedProcess {
    pub(crate) fn new(process: Process) -> Self {
        let owner = Some(tokio::spawn(own(process.clone())));
        Self { process, held: true, owner, runtime: Handle::current() }
    }

    /// Kills the process with its descendants, and waits until it has ended, 5 s at the most. If that
    /// fails, nobody is told.
    ///
    /// Cancel safety: the kill comes all the same.
    pub async fn leave(mut self) {
        if let Some(ending) = self.end() {
            // It fails if the runtime ends, which tells the caller all there is to tell.
            ending.await.unwrap_or_default();
        }
    }

    /// Lets the process go on when this is dropped. This program still owns it, until the program or its
    /// runtime ends or the client is closed; one that is to live longer is created with
    /// [`owner_grace(None)`](crate::Command::owner_grace).
    #[must_use]
    pub fn detach(mut self) -> Process {
        self.held = false;
        self.process.clone()
    }

    fn end(&mut self) -> Option<JoinHandle<()>> {
        if !mem::take(&mut self.held) {
            return None;
        }
        let ending = Ending { process: Some(self.process.clone()), owner: self.owner.take() };
        Some(self.runtime.spawn(ending.kill()))
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

/// What the task of a kill owns until the kill is done. Dropped before, it kills by itself.
struct Ending {
    process: Option<Process>,
    owner: Option<JoinHandle<()>>,
}

impl Ending {
    async fn kill(mut self) {
        if let Some(process) = &self.process {
            // What the caller leaves it for counts for more than that it cannot be killed.
            _ = timeout(LEAVE_TIMEOUT, process.terminate(Duration::ZERO)).await;
        }
        self.process = None;
        if let Some(owner) = self.owner.take() {
            owner.abort();
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let Some(process) = self.process.take() else { return };
        // A thread, since no runtime can be started in the midst of another one. The connection of the
        // client ends with its runtime.
        let killing = thread::Builder::new().name("hcsd-leave".to_owned()).spawn(move || {
            if let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build() {
                _ = runtime
                    .block_on(async { timeout(LEAVE_TIMEOUT, process.terminate_apart()).await });
            }
        });
        if let Ok(killing) = killing {
            killing.join().unwrap_or_default();
        }
    }
}
