use std::{future::poll_fn, pin::pin, task::Poll};

use tokio::{io::AsyncReadExt, task::yield_now};

use super::server::{Script, Server};
use crate::{ErrorKind, Process};

fn data() -> Vec<u8> {
    (0..50_500_u32).flat_map(u32::to_le_bytes).collect()
}

async fn server(breaks_after: usize) -> (Server, Process) {
    let server = Server::start(Script { output: data(), breaks_after, ..Script::default() }).await;
    let process = server.client(12).await.create(["true"]).await.unwrap();
    (server, process)
}

#[tokio::test]
async fn waits_that_are_dropped_at_every_point_lose_nothing() {
    let (_server, process) = server(50).await;
    let mut stdout = process.stdout();
    let (mut read, mut dropped) = (Vec::new(), 0);
    loop {
        let polled = {
            let mut wait = pin!(stdout.chunk());
            poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx))).await
        };
        match polled {
            Poll::Pending => {
                dropped += 1;
                yield_now().await;
            }
            Poll::Ready(chunk) => match chunk.unwrap() {
                Some(chunk) => read.extend_from_slice(&chunk),
                None => break,
            },
        }
    }
    assert!(read == data(), "{} bytes differ", read.len());
    assert!(dropped > 0);
}

#[tokio::test]
async fn the_offset_is_that_of_the_next_byte_also_in_the_middle_of_a_chunk() {
    let (_server, process) = server(7).await;
    let mut stdout = process.stdout();
    let mut part = [0; 3];
    let data = data();
    for (number, expected) in data.chunks_exact(part.len()).take(10_000).enumerate() {
        assert_eq!(stdout.offset(), Some((number * part.len()) as u64));
        stdout.read_exact(&mut part).await.unwrap();
        assert_eq!(part, expected);
    }
}

#[tokio::test]
async fn the_end_stays_the_end() {
    let (server, process) = server(0).await;
    let mut stdout = process.stdout();
    assert!(stdout.read_all().await.unwrap() == data());
    assert_eq!(stdout.chunk().await.unwrap(), None);
    assert_eq!(server.script.calls(), 1 + 1);
}

#[tokio::test]
async fn another_process_of_the_same_name_is_not_read() {
    let script = Script { uid: "ANOTHER".to_owned(), output: data(), ..Script::default() };
    let server = Server::start(script).await;
    let process = server.client(12).await.create(["true"]).await.unwrap();
    let error = process.stdout().chunk().await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::NotFound, "PROCESS_NOT_FOUND"));
}
