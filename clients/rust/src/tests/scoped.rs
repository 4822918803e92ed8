use std::{future::poll_fn, pin::pin, task::Poll};

use super::server::{Script, Server};

#[tokio::test]
async fn a_process_that_is_dropped_is_killed() {
    let server = Server::start(Script::default()).await;
    let client = server.client(12).await;
    drop(client.run(["sleep", "9"]).await.unwrap());
    server.script.terminated.notified().await;
}

#[tokio::test]
async fn a_process_is_killed_also_if_nobody_waits_for_that_any_more() {
    let server = Server::start(Script::default()).await;
    let process = server.client(12).await.run(["sleep", "9"]).await.unwrap();
    {
        let mut leaving = pin!(process.leave());
        let polled = poll_fn(|cx| Poll::Ready(leaving.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
    }
    server.script.terminated.notified().await;
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
