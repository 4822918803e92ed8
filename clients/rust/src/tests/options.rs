use std::{sync::Mutex, time::Duration};

use super::server::{Script, Server, cut};
use crate::{
    Command, ErrorKind,
    v1::{OrphanPolicy, OutputOptions, OutputStream, OverflowPolicy, ProcessOptions, ProcessSpec},
};

fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

fn commands() -> [Command; 2] {
    [Command::from(["true"]), Command::from_parameters_json("{}")]
}

async fn options_of_run(command: Command) -> ProcessOptions {
    let server = Server::start(Script::default()).await;
    server.client(0).await.run(command).await.unwrap().leave().await;
    let options = server.script.options.lock().unwrap().clone();
    options.unwrap_or_default()
}

#[tokio::test]
async fn options_are_those_of_the_request_for_specs_and_documents_alike() {
    for command in commands() {
        let server = Server::start(Script::default()).await;
        let command = command
            .ring_bytes(7)
            .overflow(OverflowPolicy::DropOldest)
            .stderr_to_stdout(true)
            .discard(OutputStream::Stderr)
            .discard(OutputStream::Stderr)
            .run_timeout(Duration::from_secs(60))
            .drain_timeout(Duration::ZERO)
            .pin(true);
        server.client(0).await.create(command).await.unwrap();
        let output = OutputOptions {
            ring_bytes: 7,
            overflow: OverflowPolicy::DropOldest.into(),
            stderr_to_stdout: true,
            discard: vec![OutputStream::Stderr.into()],
        };
        let wanted = ProcessOptions {
            output: Some(output),
            run_timeout: Some(seconds(60)),
            drain_timeout: Some(seconds(0)),
            pin: true,
            ..ProcessOptions::default()
        };
        assert_eq!(*server.script.options.lock().unwrap(), Some(wanted));
    }
}

#[tokio::test]
async fn a_process_of_run_blocks_and_is_owned() {
    for command in commands() {
        let options = options_of_run(command).await;
        assert_eq!(options.output.clone().unwrap().overflow(), OverflowPolicy::Block);
        assert_eq!(options.orphan_policy(), OrphanPolicy::KillOnOwnerDisconnect);
        assert_eq!(options.owner_grace, Some(seconds(10)));
    }
}

#[tokio::test]
async fn what_a_command_says_itself_counts_for_more_in_run() {
    let output = Some(OutputOptions {
        overflow: OverflowPolicy::DropOldest.into(),
        ..OutputOptions::default()
    });
    let orphan_policy = OrphanPolicy::Keep.into();
    let spec = ProcessSpec { output, orphan_policy, ..ProcessSpec::default() };
    let options = options_of_run(Command::from(spec)).await;
    assert_eq!(options.output.clone().unwrap_or_default().overflow(), OverflowPolicy::Unspecified);
    assert_eq!((options.orphan_policy(), options.owner_grace), (OrphanPolicy::Unspecified, None));
    let options = options_of_run(Command::new("true").owner_grace(None)).await;
    assert_eq!((options.orphan_policy(), options.owner_grace), (OrphanPolicy::Unspecified, None));
}

#[tokio::test]
async fn a_grace_that_makes_no_sense_is_refused() {
    let server = Server::start(Script::default()).await;
    let client = server.client(0).await;
    let owned = Command::new("true").owner_grace(Duration::from_secs(1));
    let zero = Command::new("true").owner_grace(Duration::ZERO);
    let long = Command::new("true").owner_grace(Duration::MAX);
    for error in [
        client.create(owned).await.unwrap_err(),
        client.run(zero).await.unwrap_err(),
        client.run(long).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.message().contains("owner_grace"), "{error}");
    }
    assert_eq!(server.script.calls(), 0);
}

#[tokio::test]
async fn the_owner_stays_until_the_process_is_left_and_comes_back_after_a_cut() {
    let disowning = Mutex::new([cut()].into());
    let server = Server::start(Script { disowning, ..Script::default() }).await;
    let process = server.client(0).await.run(["sleep", "9"]).await.unwrap();
    server.script.owned.notified().await; // by the second call
    process.leave().await;
    server.script.disowned.notified().await;
    assert_eq!(server.script.calls(), 1 + 1);
}
