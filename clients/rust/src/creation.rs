//! Creating a process once, however often the call for it is made.
//!
//! A daemon that has lost its state has lost the request ids. So each call is meant for one state, by
//! the incarnation, and a daemon with another one refuses it.
//!
//! | state    | event                                | next                                           |
//! |----------|--------------------------------------|------------------------------------------------|
//! | Not sent | the daemon cannot be reached         | Not sent; after a while, again                 |
//! | Not sent | the connection is lost               | Sent; after a while, again                     |
//! | Not sent | a daemon of another state refuses it | Not sent; again, with the new incarnation      |
//! | Not sent | the daemon says that it is stopping  | Sent; after a while, again                     |
//! | Sent     | the connection is lost               | Sent; after a while, again                     |
//! | Sent     | a daemon of another state refuses it | over: nobody can know whether the process ran  |
//! | any      | the time of a piece is up            | Sent; again, which joins the run               |
//! | any      | an answer, another error             | over                                           |
//!
//! Only a run to the end is asked for in pieces.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::{
    Error, ErrorKind, Result,
    calls::{Calls, Contact},
    retry::Attempts,
    v1::{CreateProcessRequest, ExecProcessRequest, ExecProcessResponse, GetHostRequest, Process},
};

/// The run of the daemon that a client knows of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incarnation(Arc<Mutex<Option<String>>>);

impl Incarnation {
    /// Takes it from an answer.
    pub(crate) fn note(&self, incarnation: &str) {
        if !incarnation.is_empty() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(incarnation.to_owned());
        }
    }

    fn forget(&self, incarnation: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.take_if(|known| known == incarnation);
    }

    async fn get(&self, calls: &Calls, contact: Contact) -> Result<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(incarnation) = known {
            return Ok(incarnation);
        }
        let call = calls.repeat("GetHost", contact, (), |_, ()| async {
            calls.host().get_host(GetHostRequest::default()).await
        });
        let incarnation = call.await?.incarnation;
        self.note(&incarnation);
        Ok(incarnation)
    }
}

/// All calls for one process; see the head of the module.
struct Creation<'a> {
    calls: &'a Calls,
    known: &'a Incarnation,
    incarnation: String, // that the present call is meant for
    attempts: Attempts,
    contact: Contact,
    sent: bool,
}

impl<'a> Creation<'a> {
    fn new(calls: &'a Calls, known: &'a Incarnation, what: &'static str) -> Self {
        let attempts = calls.attempts(what);
        let (incarnation, contact) = (String::new(), calls.contact());
        Self { calls, known, incarnation, attempts, contact, sent: false }
    }

    /// Returns what the next call goes by. Once it was sent it is for that run of the daemon alone,
    /// whatever others have learnt of a newer one.
    async fn pin(&mut self) -> Result<Calls> {
        if !self.sent {
            self.incarnation = self.known.get(self.calls, self.contact).await?;
        }
        Ok(self.calls.pinned(&self.incarnation))
    }

    /// Waits before the next call, or gives the error back if there is to be none.
    async fn failed(&mut self, error: Error) -> Result<()> {
        let restarted = error.kind() == ErrorKind::DaemonRestarted;
        if restarted {
            self.known.forget(&self.incarnation);
        }
        let survived = if restarted { !self.sent } else { error.is_passing() };
        if error.is_of_first(self.contact) || !survived {
            return Err(error);
        }
        // A daemon that stops says that it is unavailable also of what it has begun.
        self.sent |= !restarted && error.kind() != ErrorKind::DaemonUnreachable;
        self.contact = Contact::Later;
        self.attempts.failed(error).await
    }
}

/// Creates the process of a request that has a request id.
pub(crate) async fn create(
    calls: &Calls,
    known: &Incarnation,
    request: CreateProcessRequest,
) -> Result<Process> {
    let mut creation = Creation::new(calls, known, "CreateProcess");
    loop {
        let calls = creation.pin().await?;
        match calls.answer(calls.processes().create_process(request.clone())).await {
            Ok(answer) => {
                creation.attempts.succeeded();
                return Ok(answer.into_inner().process.unwrap_or_default());
            }
            Err(error) => creation.failed(error).await?,
        }
    }
}

/// Runs the process of a request that has a request id to its end.
pub(crate) async fn run_to_end(
    calls: &Calls,
    known: &Incarnation,
    mut request: ExecProcessRequest,
) -> Result<ExecProcessResponse> {
    let mut creation = Creation::new(calls, known, "ExecProcess");
    let mut pieces = calls.keepalive.pieces();
    loop {
        let calls = creation.pin().await?;
        request.timeout = pieces.timeout();
        let began = Instant::now();
        let mut stub = calls.processes();
        let call = Box::pin(stub.exec_process(request.clone()));
        match calls.piece(pieces.length(), call).await {
            Ok(answer) => {
                creation.attempts.succeeded();
                creation.contact = Contact::Later;
                creation.sent = true;
                let answer = answer.into_inner();
                if !answer.timed_out {
                    return Ok(answer);
                }
            }
            Err(error) => {
                if error.kind() == ErrorKind::ConnectionLost {
                    pieces.lost(began.elapsed());
                }
                creation.failed(error).await?;
            }
        }
    }
}
