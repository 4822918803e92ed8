//! Creating a process once, however often the call for it is made.
//!
//! A daemon knows the request ids of its own run alone. So each call is meant for one run, by the
//! incarnation, and another run refuses it.
//!
//! | state    | event                                | next                                           |
//! |----------|--------------------------------------|------------------------------------------------|
//! | Not sent | the daemon cannot be reached         | Not sent; after a while, again                 |
//! | Not sent | the connection is lost               | Sent; after a while, again                     |
//! | Not sent | another run of the daemon refuses it | Not sent; again, with the new incarnation      |
//! | Sent     | the connection is lost               | Sent; after a while, again                     |
//! | Sent     | another run of the daemon refuses it | over: nobody can know whether the process ran  |
//! | any      | an answer, another error             | over                                           |

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    ErrorKind, Result,
    calls::{Calls, Contact},
    v1::{CreateProcessRequest, GetHostRequest, Process},
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

/// Creates the process of a request that has a request id.
pub(crate) async fn create(
    calls: &Calls,
    known: &Incarnation,
    request: CreateProcessRequest,
) -> Result<Process> {
    let mut attempts = calls.attempts("CreateProcess");
    let mut contact = Contact::First;
    let mut sent = false; // and its answer was lost
    loop {
        let incarnation = known.get(calls, contact).await?;
        let mut stub = calls.pinned(&incarnation).processes();
        let error = match calls.answer(stub.create_process(request.clone())).await {
            Ok(answer) => {
                attempts.succeeded();
                return Ok(answer.into_inner().process.unwrap_or_default());
            }
            Err(error) => error,
        };
        let restarted = error.kind() == ErrorKind::DaemonRestarted;
        if restarted {
            known.forget(&incarnation);
        }
        if error.is_of_first(contact) || (restarted && sent) || !(restarted || error.is_passing()) {
            return Err(error);
        }
        sent |= error.kind() == ErrorKind::ConnectionLost;
        contact = Contact::Later;
        attempts.failed(error).await?;
    }
}
