//! Owning a process: the call whose end tells the daemon that nobody needs the process any more.
//!
//! The daemon kills an owned process some time after its owner's call has ended, however it ended. So a
//! program that is killed takes its processes along, and one whose connection breaks has that time to
//! come back.

use tracing::{debug, warn};

use crate::{
    ErrorKind, Process, Result,
    listening::Listening,
    v1::{
        OrphanPolicy, ProcessOptions, RunAttach, RunProcessRequest, RunProcessResponse,
        run_process_request::Request, run_process_response::Event,
    },
};

/// Owns the process until it ends. Returns at once if the daemon knows no owner of it.
pub(crate) async fn own(process: Process) {
    // A daemon that knows nothing of owners would take the call for a reader.
    let options = process.created().options.as_ref();
    let policy = options.map_or(OrphanPolicy::Keep, ProcessOptions::orphan_policy);
    if policy != OrphanPolicy::KillOnOwnerDisconnect {
        return;
    }
    let (name, address) = (process.name(), &process.calls().peer.shown);
    match stay(&process).await {
        Ok(()) => debug!(name, %address, "the process has ended, and so does its owner's call"),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Closed) => {
            debug!(name, %address, %error, "its owner's call has ended");
        }
        Err(error) => warn!(name, %address, %error, "the process has no owner any more"),
    }
}

async fn stay(process: &Process) -> Result<()> {
    let mut calls = process.calls().clone();
    // It is not given up while the daemon is out of reach: only that knows when the grace is over.
    calls.retry.attempts = u32::MAX;
    let mut attempts = calls.attempts("own");
    loop {
        let attach = RunAttach {
            name: process.name().to_owned(),
            owner: true,
            without_output: true,
            ..RunAttach::default()
        };
        let request = RunProcessRequest {
            request: Some(Request::Attach(attach)),
            heartbeat_interval: calls.keepalive.heartbeat_interval(),
        };
        let mut stub = calls.processes();
        let call = stub.run_process(tokio_stream::once(request));
        let failure = match Listening::begin(&calls, call).await {
            Ok(mut call) => loop {
                match call.message().await {
                    Ok(RunProcessResponse { event: Some(Event::End(_)) }) => return Ok(()),
                    Ok(_) => attempts.succeeded(),
                    Err(error) => break error,
                }
            },
            Err(error) => error,
        };
        if !failure.is_passing() {
            return Err(failure);
        }
        attempts.failed(failure).await?;
    }
}
