use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use tokio::runtime::{Builder, Runtime};

use super::server::{Script, Server};
use crate::{
    ScopedProcess,
    v1::TerminateScope::{self, Process, Tree, TreeBestEffort, Unspecified},
};

#[test]
fn a_process_that_is_dropped_is_killed() {
    let (_ours, server) = elsewhere();
    runtime().block_on(async {
        drop(run(&server).await);
        server.script.terminated.notified().await; // without an end of the runtime
    });
}

#[test]
fn a_process_is_killed_also_if_nobody_waits_for_that_any_more() {
    let (_ours, server) = elsewhere();
    runtime().block_on(async {
        let process = run(&server).await;
        {
            let mut leaving = pin!(process.leave());
            let polled = poll_fn(|cx| Poll::Ready(leaving.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
        }
        server.script.terminated.notified().await;
    });
}

#[test]
fn a_process_is_killed_also_if_nobody_waits_for_its_start_any_more() {
    let (_ours, server) = elsewhere();
    runtime().block_on(async {
        {
            let client = server.client(12).await;
            let mut starting = pin!(client.run(["sleep", "9"]));
            let pending = poll_fn(|cx| Poll::Ready(starting.as_mut().poll(cx).is_pending())).await;
            assert!(pending);
        }
        server.script.terminated.notified().await;
    });
}

#[tokio::test]
async fn a_process_that_is_left_was_killed_and_a_detached_one_was_not() {
    let server = Server::start(Script::default()).await;
    let client = server.client(12).await;
    let process = client.run(["sleep", "9"]).await.unwrap().detach();
    process.get().await.unwrap(); // whatever was begun before has come
    assert_eq!(server.script.calls(), 2);
    client.run(["sleep", "9"]).await.unwrap().leave().await;
    assert_eq!(server.script.calls(), 4);
}

#[tokio::test]
async fn the_caller_chooses_what_is_killed_and_is_told_what_was() {
    let server = Server::start(Script::default()).await;
    let process = server.client(12).await.create(["sleep", "9"]).await.unwrap();
    let ended = process.terminate(Duration::ZERO).await.unwrap();
    assert_eq!((ended.scope_applied(), ended.descendants_killed), (Tree, 3));
    process.terminate_scope(Process, Duration::ZERO).await.unwrap();
    process.delete(false).await.unwrap();
    assert_eq!(process.delete(true).await.unwrap().scope_applied(), Process);
    process.delete_scope(Tree).await.unwrap();
    assert_eq!(scopes(&server), [TreeBestEffort, Process, Unspecified, TreeBestEffort, Tree]);
}

#[test]
fn a_runtime_that_ends_right_after_the_drop_waits_for_the_kill() {
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let (_ours, server) = elsewhere();
        let runtime = builder.enable_all().build().unwrap();
        runtime.block_on(async { drop(run(&server).await) });
        drop(runtime);
        assert_killed(&server);
    }
}

#[test]
fn a_process_that_outlives_its_runtime_is_killed_by_the_drop_itself() {
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let (_ours, server) = elsewhere();
        let runtime = builder.enable_all().build().unwrap();
        let process = runtime.block_on(run(&server));
        drop(runtime);
        assert_eq!(scopes(&server), []);
        drop(process);
        assert_killed(&server);
    }
}

#[test]
fn a_process_of_a_runtime_that_has_ended_is_killed_in_another_one_too() {
    let (_ours, server) = elsewhere();
    let first = runtime();
    let process = first.block_on(run(&server));
    drop(first);
    runtime().block_on(process.leave());
    assert_killed(&server);
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Starts a server in a runtime of its own.
fn elsewhere() -> (Runtime, Server) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start(Script::default()));
    (runtime, server)
}

async fn run(server: &Server) -> ScopedProcess {
    server.client(12).await.run(["sleep", "9"]).await.unwrap()
}

fn scopes(server: &Server) -> Vec<TerminateScope> {
    server.script.scopes.lock().unwrap().clone()
}

/// A kill may have come twice: from the task, and after the end of the runtime.
fn assert_killed(server: &Server) {
    let found = scopes(server);
    assert!(found == [TreeBestEffort] || found == [TreeBestEffort; 2], "{found:?}");
}
