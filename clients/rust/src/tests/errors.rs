use std::{io, time::Duration};

use tonic::{Code, Status};

use super::server::{any, failure};
use crate::{
    Error, ErrorKind,
    rpc::{BadRequest, ResourceInfo, RetryInfo, bad_request::FieldViolation},
    v1::HcsErrorDetail,
};

#[test]
fn a_reason_makes_the_kind_narrower_and_an_unknown_one_does_not() {
    let rows = [
        (Code::NotFound, "EXECUTABLE_NOT_FOUND", ErrorKind::ExecutableNotFound),
        (Code::NotFound, "OF_THE_FUTURE", ErrorKind::NotFound),
        (Code::FailedPrecondition, "STDIN_BUSY", ErrorKind::StdinBusy),
        (Code::Aborted, "STDIN_BUSY", ErrorKind::Aborted),
        (Code::Unavailable, "STOPPING", ErrorKind::Unavailable),
        (Code::Unavailable, "", ErrorKind::ConnectionLost),
        (Code::Internal, "", ErrorKind::ConnectionLost),
        (Code::Unknown, "", ErrorKind::ConnectionLost),
        (Code::Cancelled, "", ErrorKind::ConnectionLost),
        (Code::Internal, "E_UNEXPECTED", ErrorKind::Internal),
        (Code::Cancelled, "STOPPING", ErrorKind::CallCancelled),
        (Code::DataLoss, "", ErrorKind::Internal),
    ];
    for (code, reason, kind) in rows {
        let error = Error::from(failure(code, reason, &[]));
        assert_eq!((error.kind(), error.code(), error.reason()), (kind, Some(code), reason));
    }
}

#[test]
fn details_become_members() {
    let violation = FieldViolation {
        field: "parent".to_owned(),
        reason: "required".to_owned(),
        description: "must be set".to_owned(),
        ..FieldViolation::default()
    };
    let delay = Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 });
    let resource = ResourceInfo { resource_name: "systems/x".to_owned(), ..Default::default() };
    let details = [
        any(&BadRequest { field_violations: vec![violation] }),
        any(&RetryInfo { retry_delay: delay }),
        any(&resource),
    ];
    let error = Error::from(failure(Code::InvalidArgument, "X", &details));
    assert_eq!(error.violations()[0].field, "parent");
    assert_eq!(error.violations()[0].rule, "required");
    assert_eq!(error.retry_delay(), Some(Duration::from_millis(1500)));
    assert_eq!(error.resource().unwrap().name, "systems/x");
    assert_eq!(error.hresult(), Some(0x8037_0105)); // from the metadata
    let hcs = HcsErrorDetail { hresult: 0x8037_010E, ..HcsErrorDetail::default() };
    let error = Error::from(failure(Code::NotFound, "X", &[any(&hcs)]));
    assert_eq!(error.hresult(), Some(0x8037_010E)); // HCS counts for more
}

#[test]
fn details_that_cannot_be_read_leave_the_status() {
    let status = Status::with_details(Code::NotFound, "gone", b"\xff\xff\xff".as_slice().into());
    let error = Error::from(status);
    assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "gone"));
}

#[test]
fn an_error_comes_back_out_of_an_error_of_io() {
    let wrapped = io::Error::from(Error::from(failure(Code::Aborted, "SUBSCRIBER_STALLED", &[])));
    let error = wrapped.get_ref().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(error.kind(), ErrorKind::SubscriberStalled);
}
