use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use tonic::Status;

use super::{
    creation::restarted,
    server::{Script, Server, cut},
};
use crate::{
    Client, Command, Completed, ErrorKind, Result,
    creation::Incarnation,
    v1::{
        CapturedOutput, ExecProcessResponse, ExitReason, OrphanPolicy, ProcessExit,
        process_exit::Outcome,
    },
};

fn ended(code: u32, reason: ExitReason, stdout: &'static str, stderr: &'static str) -> Script {
    let written = |data: &'static str| {
        Some(CapturedOutput { data: data.into(), end_offset: data.len() as u64, forced: false })
    };
    let exit = ProcessExit {
        outcome: Some(Outcome::ExitCode(code)),
        reason: reason.into(),
        ..ProcessExit::default()
    };
    let process = crate::v1::Process { exit: Some(exit), ..Script::default().process() };
    let (stdout, stderr) = (written(stdout), written(stderr));
    let answer =
        ExecProcessResponse { process: Some(process), stdout, stderr, ..Default::default() };
    Script { executions: Mutex::new([answer].into()), ..Script::default() }
}

#[tokio::test]
async fn a_command_is_one_request_with_its_input_and_its_limits() {
    let server = Server::start(ended(7, ExitReason::Exited, "out", "err")).await;
    let command = Command::new("cat")
        .envs([("A", "1"), ("B", "2")])
        .user("root")
        .stdin_bytes("in")
        .max_output_bytes(2)
        .owner_grace(Duration::from_secs(3));
    let done = server.client(0).await.exec(command).await.unwrap();
    assert_eq!(
        (done.exit_code(), &*done.stdout, &*done.stderr),
        (Some(7), &b"out"[..], &b"err"[..])
    );
    assert!(!done.truncated);
    let executed = server.script.executed.lock().unwrap().clone();
    let [request] = &*executed else { panic!("{executed:?}") };
    assert_eq!((&request.stdin[..], request.max_output_bytes), (&b"in"[..], 2));
    let create = request.create.clone().unwrap();
    assert!(!create.request_id.is_empty());
    let options = create.options.unwrap();
    assert_eq!(options.orphan_policy(), OrphanPolicy::KillOnOwnerDisconnect);
    assert_eq!(options.owner_grace.unwrap().seconds, 3);
}

#[tokio::test]
async fn a_code_is_an_error_when_it_is_checked_and_a_timeout_always() {
    let server = Server::start(ended(7, ExitReason::Exited, "", "no such flag\n")).await;
    let done = server.client(0).await.exec(["x"]).await.unwrap();
    let error = done.clone().check().unwrap_err();
    assert_eq!((error.kind(), error.completed()), (ErrorKind::ProcessFailed, Some(&done)));
    assert_eq!(error.to_string(), "'systems/host/processes/p' exited with code 7: no such flag");
    let server = Server::start(ended(0, ExitReason::RunTimeout, "half", "")).await;
    let error = server.client(0).await.exec(["x"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ProcessTimeout);
    assert_eq!(error.completed().unwrap().stdout, b"half");
}

#[tokio::test]
async fn it_is_asked_in_pieces_that_join_the_run() {
    let waits_in_vain = Mutex::new([0, 0, 0].into()); // the first for the piece that is lost
    let failures = Mutex::new([cut()].into());
    let server = Server::start(Script { failures, waits_in_vain, ..Script::default() }).await;
    server.client(1).await.exec(Command::new("x").stdin_bytes("in")).await.unwrap();
    let executed = server.script.executed.lock().unwrap().clone();
    assert_eq!(executed.len(), 4);
    assert!(executed.iter().all(|request| *request == executed[0]));
    let timeouts = server.script.timeouts.lock().unwrap().clone();
    assert!(timeouts[1] < timeouts[0] && timeouts[1..] == [timeouts[1]; 3], "{timeouts:?}");
}

/// Runs a command through these failures, at a daemon that says it was started anew.
async fn exec(failures: Vec<Status>, waits_in_vain: &[u64]) -> (Result<Completed>, Vec<String>) {
    let server = Server::start(Script {
        failures: Mutex::new(failures.into()),
        waits_in_vain: Mutex::new(waits_in_vain.iter().copied().collect()),
        incarnations: Mutex::new(["FIRST".to_owned(), "SECOND".to_owned()].into()),
        ..Script::default()
    })
    .await;
    let done = server.client(12).await.exec(["true"]).await;
    (done, server.script.pins.lock().unwrap().clone())
}

#[tokio::test]
async fn a_command_that_may_have_been_run_goes_to_no_other_run_of_the_daemon() {
    let (done, pins) = exec(vec![restarted()], &[]).await;
    done.unwrap();
    assert_eq!(pins, ["FIRST", "SECOND"]);
    let (done, pins) = exec(vec![cut(), restarted()], &[]).await;
    assert_eq!(done.unwrap_err().kind(), ErrorKind::DaemonRestarted);
    assert_eq!(pins, ["FIRST", "FIRST"]);
}

#[tokio::test]
async fn another_run_of_the_daemon_that_others_have_met_is_not_asked_either() {
    let known = Arc::new(OnceLock::<Incarnation>::new());
    let failures = Mutex::new([cut()].into());
    let server = Server::start(Script { failures, ..Script::default() }).await;
    let met = Arc::clone(&known);
    let builder = Client::builder().address(&server.address).insecure(true);
    let builder = builder.interceptor(move |request| {
        if request.metadata().contains_key("hcsd-incarnation") {
            met.get().unwrap().note("ANOTHER");
        }
        Ok(request)
    });
    let client = builder.connect().await.unwrap();
    known.set(client.incarnation.clone()).unwrap();
    client.exec(["true"]).await.unwrap();
    assert_eq!(*server.script.pins.lock().unwrap(), ["INCARNATION", "INCARNATION"]);
}

#[tokio::test]
async fn what_is_for_exec_alone_is_refused_elsewhere() {
    let server = Server::start(Script::default()).await;
    let client = server.client(0).await;
    let command = Command::new("cat").stdin_bytes("in");
    let errors = [
        client.create(command.clone()).await.unwrap_err(),
        client.run(command.max_output_bytes(1)).await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Usage), "{errors:?}");
    assert_eq!(server.script.calls(), 0);
}
