use std::sync::Mutex;

use tonic::{Code, Status};

use super::server::{Script, Server, cut, failure};
use crate::{ErrorKind, Process, Result};

pub(super) fn restarted() -> Status {
    failure(Code::FailedPrecondition, "DAEMON_RESTARTED", &[])
}

/// Creates a process through these failures, at a daemon that says it was started anew.
async fn create(failures: Vec<Status>) -> (Result<Process>, Vec<String>) {
    let server = Server::start(Script {
        failures: Mutex::new(failures.into()),
        incarnations: Mutex::new(["FIRST".to_owned(), "SECOND".to_owned()].into()),
        ..Script::default()
    })
    .await;
    let created = server.client(12).await.create(["true"]).await;
    (created, server.script.pins.lock().unwrap().clone())
}

#[tokio::test]
async fn a_create_that_no_daemon_has_got_goes_to_the_new_one() {
    let (created, pins) = create(vec![restarted()]).await;
    created.unwrap();
    assert_eq!(pins, ["FIRST", "SECOND"]);
}

#[tokio::test]
async fn a_create_that_a_daemon_that_stops_may_have_begun_goes_to_no_other_run_of_the_daemon() {
    let stopping = failure(Code::Unavailable, "DAEMON_STOPPING", &[]);
    let (created, pins) = create(vec![stopping, restarted()]).await;
    assert_eq!(created.unwrap_err().kind(), ErrorKind::DaemonRestarted);
    assert_eq!(pins, ["FIRST", "FIRST"]);
}

#[tokio::test]
async fn a_create_whose_connection_was_lost_goes_to_no_other_run_of_the_daemon() {
    let (created, pins) = create(vec![cut(), restarted()]).await;
    assert_eq!(created.unwrap_err().kind(), ErrorKind::DaemonRestarted);
    assert_eq!(pins, ["FIRST", "FIRST"]);
}

#[tokio::test]
async fn the_run_of_the_daemon_is_asked_for_once() {
    let incarnations = Mutex::new(["FIRST".to_owned(), "SECOND".to_owned()].into());
    let server = Server::start(Script { incarnations, ..Script::default() }).await;
    let client = server.client(12).await;
    client.create(["true"]).await.unwrap();
    client.clone().create(["true"]).await.unwrap();
    assert_eq!(*server.script.pins.lock().unwrap(), ["FIRST", "FIRST"]);
}
