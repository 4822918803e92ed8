//! The end of a process: killing it, and making the daemon forget it.

use std::time::Duration;

use crate::{
    Error, ErrorKind, Process, Result,
    calls::Contact,
    v1::{
        DeleteProcessRequest, DeleteProcessResponse, TerminateProcessRequest,
        TerminateProcessResponse, TerminateScope,
    },
};

const TERMINATE: &str = "TerminateProcess";

impl Process {
    /// Kills the process and its descendants, and waits until the process has exited. That it has
    /// exited before is no error: then what is left of its descendants is killed.
    ///
    /// Where the engine cannot tell what descends from the process, the process alone is killed. The
    /// answer's `scope_applied` says which it was, and its `descendants_killed` how many descendants
    /// were killed.
    ///
    /// With a grace period above zero the process gets a TERM signal first, and the kill comes if it has
    /// not exited after that time.
    ///
    /// Cancel safety: the kill comes all the same.
    pub async fn terminate(&self, grace_period: Duration) -> Result<TerminateProcessResponse> {
        self.terminate_scope(TerminateScope::TreeBestEffort, grace_period).await
    }

    /// Is [`terminate`](Self::terminate) of what the scope says:
    /// [`TreeBestEffort`](TerminateScope::TreeBestEffort) as there, [`Process`](TerminateScope::Process)
    /// for the process alone, and [`Tree`](TerminateScope::Tree) to fail where the tree cannot be killed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unimplemented`]: the scope is `Tree`, and the engine cannot do that.
    pub async fn terminate_scope(
        &self,
        scope: TerminateScope,
        grace_period: Duration,
    ) -> Result<TerminateProcessResponse> {
        let request = self.termination(scope, grace_period)?;
        let call =
            self.calls().wait(TERMINATE, Contact::Later, request, |mut stub, request| async move {
                stub.terminate_process(request).await
            });
        call.await
    }

    /// Makes the daemon forget the process, with its exit and output; idempotent.
    ///
    /// With `force` it is killed first, with its descendants, as [`terminate`](Self::terminate) does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::FailedPrecondition`]: it is running, and `force` does not say to kill it first.
    pub async fn delete(&self, force: bool) -> Result<DeleteProcessResponse> {
        let scope =
            if force { TerminateScope::TreeBestEffort } else { TerminateScope::Unspecified };
        self.forget(force, scope).await
    }

    /// Is [`delete`](Self::delete) with `force`, which kills what the scope says; see
    /// [`terminate_scope`](Self::terminate_scope).
    pub async fn delete_scope(&self, scope: TerminateScope) -> Result<DeleteProcessResponse> {
        self.forget(true, scope).await
    }

    /// Terminates over a connection of its own, in the runtime of the caller, which may be another one
    /// than that of the client. That the daemon is not there ends it at once.
    pub(crate) async fn terminate_apart(&self) -> Result<()> {
        let request = self.termination(TerminateScope::TreeBestEffort, Duration::ZERO)?;
        let calls = self.calls().reconnected()?;
        let call = calls.wait(TERMINATE, Contact::First, request, |mut stub, request| async move {
            stub.terminate_process(request).await
        });
        call.await.map(drop)
    }

    fn termination(
        &self,
        scope: TerminateScope,
        grace_period: Duration,
    ) -> Result<TerminateProcessRequest> {
        let grace_period = grace_period.try_into().map_err(|_| {
            let message = format!("a grace period of {grace_period:?} is too long: give it less");
            Error::new(ErrorKind::Usage, message)
        })?;
        Ok(TerminateProcessRequest {
            name: self.name().to_owned(),
            scope: scope.into(),
            grace_period: Some(grace_period),
            timeout: None,
        })
    }

    async fn forget(&self, force: bool, scope: TerminateScope) -> Result<DeleteProcessResponse> {
        let request = DeleteProcessRequest {
            name: self.name().to_owned(),
            force,
            allow_missing: true,
            scope: scope.into(),
        };
        let call = self.repeat("DeleteProcess", request, |mut stub, request| async move {
            stub.delete_process(request).await
        });
        call.await
    }
}
