//! From the status that a call ended with to an error: the one place where that happens.

use std::{error, sync::Arc};

use prost::{Message, Name};
use tonic::{Code, Status};

use crate::{
    Error, ErrorKind, FieldViolation, Resource,
    error::Failure,
    rpc::{self, BadRequest, ErrorInfo, ResourceInfo, RetryInfo},
    transport::Unreachable,
    v1::HcsErrorDetail,
};

const DOMAIN: &str = "hcsd";

/// Returns the kind of a failure by what the daemon tells of it.
fn kind_of(code: Code, reason: &str) -> ErrorKind {
    match (code, reason) {
        (Code::InvalidArgument, _) => ErrorKind::InvalidRequest,
        (Code::NotFound, "EXECUTABLE_NOT_FOUND") => ErrorKind::ExecutableNotFound,
        (Code::NotFound, _) => ErrorKind::NotFound,
        (Code::AlreadyExists, "REQUEST_ID_REUSED") => ErrorKind::RequestIdReused,
        (Code::AlreadyExists, _) => ErrorKind::AlreadyExists,
        (Code::FailedPrecondition, "DAEMON_RESTARTED") => ErrorKind::DaemonRestarted,
        (Code::FailedPrecondition, "STDIN_BUSY") => ErrorKind::StdinBusy,
        (Code::FailedPrecondition, "STDIN_CLOSED") => ErrorKind::StdinClosed,
        (Code::FailedPrecondition, _) => ErrorKind::FailedPrecondition,
        (Code::OutOfRange, "OUTPUT_EVICTED") => ErrorKind::OutputEvicted,
        (Code::OutOfRange, "REVISION_COMPACTED") => ErrorKind::RevisionCompacted,
        (Code::OutOfRange, _) => ErrorKind::OutOfRange,
        (Code::Aborted, "STDIN_TAKEN_OVER") => ErrorKind::StdinTakenOver,
        (Code::Aborted, "SUBSCRIBER_STALLED") => ErrorKind::SubscriberStalled,
        (Code::Aborted, _) => ErrorKind::Aborted,
        (Code::PermissionDenied, _) => ErrorKind::PermissionDenied,
        (Code::Unauthenticated, _) => ErrorKind::Unauthenticated,
        (Code::ResourceExhausted, _) => ErrorKind::ResourceExhausted,
        (Code::Unimplemented, _) => ErrorKind::Unimplemented,
        (Code::DeadlineExceeded, _) => ErrorKind::DeadlineExceeded,
        // Whatever the daemon itself says has a reason. The rest is of the network, or of a proxy.
        (Code::Unavailable | Code::Internal | Code::Unknown | Code::Cancelled, "") => {
            ErrorKind::ConnectionLost
        }
        (Code::Cancelled, _) => ErrorKind::CallCancelled,
        (Code::Unavailable, _) => ErrorKind::Unavailable,
        (Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss, _) => ErrorKind::Internal,
    }
}

/// Translates what a stub returns, with all details.
impl From<Status> for Error {
    fn from(status: Status) -> Self {
        match error::Error::source(&status) {
            // Only what did not come from the daemon has a source.
            Some(source) => of_transport(source, &status),
            None => of_daemon(&status),
        }
    }
}

/// Translates a status in a message, such as that of [`v1::OpError`](crate::v1::OpError).
impl From<rpc::Status> for Error {
    fn from(status: rpc::Status) -> Self {
        let code = Code::from_i32(status.code);
        let mut message = status.message;
        if message.is_empty() {
            message = format!("the call ended with {code:?}");
        }
        let mut failure = Failure::new(ErrorKind::Internal, Some(code), message);
        for detail in &status.details {
            add_detail(&mut failure, detail);
        }
        failure.kind = kind_of(code, &failure.reason);
        if failure.kind == ErrorKind::ConnectionLost {
            failure.message = format!("lost the connection to the daemon: {}", failure.message);
        }
        failure.into()
    }
}

fn of_daemon(status: &Status) -> Error {
    let plain = || rpc::Status {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: Vec::new(),
    };
    // Details that cannot be read, or are another status's, are left out.
    let detailed = rpc::Status::decode(status.details()).ok();
    let same = |found: &rpc::Status| found.code == status.code() as i32;
    detailed.filter(same).unwrap_or_else(plain).into()
}

fn of_transport(source: &(dyn error::Error + 'static), status: &Status) -> Error {
    let mut chain = Vec::new();
    let mut next = Some(source);
    while let Some(error) = next {
        chain.push(error);
        next = error.source();
    }
    let unreachable = chain.iter().find_map(|error| error.downcast_ref::<Unreachable>());
    let (kind, message) = if let Some(error) = unreachable {
        (ErrorKind::DaemonUnreachable, error.to_string())
    } else {
        let cause = chain.last().map_or_else(|| status.to_string(), ToString::to_string);
        (ErrorKind::ConnectionLost, format!("lost the connection to the daemon: {cause}"))
    };
    Failure {
        source: unreachable.map(|error| Arc::clone(&error.cause) as _),
        ..Failure::new(kind, Some(Code::Unavailable), message)
    }
    .into()
}

fn add_detail(failure: &mut Failure, detail: &prost_types::Any) {
    if let Some(info) = unpack::<ErrorInfo>(detail) {
        if info.domain == DOMAIN {
            failure.reason = info.reason.into();
            failure.metadata = info.metadata.into_iter().collect();
        }
    } else if let Some(bad) = unpack::<BadRequest>(detail) {
        let violations = bad.field_violations.into_iter().map(|bad| FieldViolation {
            field: bad.field,
            rule: bad.reason,
            message: bad.description,
        });
        failure.violations = violations.collect();
    } else if let Some(resource) = unpack::<ResourceInfo>(detail) {
        failure.resource = Some(Resource {
            kind: resource.resource_type,
            name: resource.resource_name,
            description: resource.description,
        });
    } else if let Some(retry) = unpack::<RetryInfo>(detail) {
        failure.retry_delay = retry.retry_delay.and_then(|delay| delay.try_into().ok());
    } else if let Some(hcs) = unpack::<HcsErrorDetail>(detail) {
        failure.hcs = Some(hcs);
    }
}

fn unpack<M: Message + Name + Default>(detail: &prost_types::Any) -> Option<M> {
    let (_, name) = detail.type_url.rsplit_once('/')?;
    if name == M::full_name() { M::decode(detail.value.as_slice()).ok() } else { None }
}
