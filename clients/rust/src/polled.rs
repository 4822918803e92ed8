//! What one clone of a stdin has under way as an `AsyncWrite`.
//!
//! | state   | event                               | next                                             |
//! |---------|-------------------------------------|--------------------------------------------------|
//! | Idle    | a write                             | Writing; the caller is free                      |
//! | Writing | another write, a flush, a shutdown  | waits for the end                                |
//! | Idle    | a shutdown                          | Closing, which the caller waits for              |
//! | Writing | the end                             | Idle; its error is that of whoever waits         |
//! | Closing | the end                             | Idle                                             |

use std::{
    fmt, io,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use crate::Result;

type Task = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

#[derive(Default)]
pub(crate) struct Polled {
    task: Mutex<Option<Task>>, // only for `Sync`: who polls has it alone
    pub(crate) closing: bool,
}

impl Polled {
    pub(crate) fn begin(&mut self, task: impl Future<Output = Result<()>> + Send + 'static) {
        *self.task.get_mut().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(task));
    }

    /// Waits until nothing is under way.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let slot = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(task) = slot else { return Poll::Ready(Ok(())) };
        let done = ready!(task.as_mut().poll(cx));
        *slot = None;
        self.closing = false;
        Poll::Ready(done.map_err(io::Error::from))
    }
}

/// A clone has nothing under way.
impl Clone for Polled {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Polled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polled").field("closing", &self.closing).finish_non_exhaustive()
    }
}
