//! Connections that break or fall silent.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::io::{AsyncWriteExt, copy};

use super::server::{Script, Server, Silence, cut};
use crate::{Client, Command, ErrorKind, Process, Retry};

const DATA: &[u8] = b"0123456789";

async fn of(script: Script, attempts: u32) -> (Server, Process) {
    let server = Server::start(script).await;
    let process = server.client(attempts).await.create(["true"]).await.unwrap();
    (server, process)
}

#[tokio::test]
async fn a_stream_that_falls_silent_where_heartbeats_should_come_is_read_anew() {
    let unkept = Command::new("true");
    let commands = [(unkept.clone(), Silence::AfterHeartbeat), (unkept.pin(true), Silence::AtOnce)];
    for (command, falls_silent) in commands {
        let script = Script { output: DATA.to_vec(), falls_silent, ..Script::default() };
        let server = Server::start(script).await;
        let quick = Duration::from_millis(100);
        let builder = Client::builder().address(&server.address).insecure(true).keepalive(quick);
        let process = builder.connect().await.unwrap().create(command).await.unwrap();
        assert_eq!(process.stdout().read_all().await.unwrap(), DATA);
        assert!(server.script.calls() > 1 + 1);
    }
}

#[tokio::test]
async fn a_page_of_a_proxy_is_a_lost_connection() {
    let (server, process) = of(Script { output: DATA.to_vec(), ..Script::default() }, 2).await;
    *server.script.pages.lock().unwrap() = 2;
    assert_eq!(process.stdout().read_all().await.unwrap(), DATA);
    *server.script.pages.lock().unwrap() = 3;
    let error = process.get().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    assert!(error.message().contains("HTTP 502 Bad Gateway and text/html"), "{error}");
}

#[tokio::test]
async fn a_wait_is_asked_in_pieces_and_in_short_ones_after_one_was_lost() {
    let waits_in_vain = Mutex::new([0, 0, 0].into()); // the first for the piece that is lost
    let (server, process) = of(Script { waits_in_vain, ..Script::default() }, 1).await;
    server.script.failures.lock().unwrap().push_back(cut());
    process.wait().await.unwrap();
    let timeouts = server.script.timeouts.lock().unwrap().clone();
    assert_eq!(timeouts.len(), 4);
    assert_eq!(timeouts[0], 20_000);
    assert!(timeouts[1] < 20_000 && timeouts[1..] == [timeouts[1]; 3], "{timeouts:?}");
}

#[tokio::test]
async fn a_write_goes_on_with_what_is_left_when_its_time_is_up() {
    let waits_in_vain = Mutex::new([4, 0, 3].into());
    let script = Script { waits_in_vain, takes_all: true, ..Script::default() };
    let (server, process) = of(script, 0).await;
    process.stdin().write(DATA).await.unwrap();
    process.stdin().close().await.unwrap();
    let writes = server.script.writes.lock().unwrap().clone();
    let rest = |from: usize| (from as u64, DATA[from..].to_vec(), false);
    assert_eq!(writes, [rest(0), rest(4), rest(4), rest(7), (10, Vec::new(), true)]);
}

#[tokio::test]
async fn a_file_is_copied_to_stdin() {
    let data: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let (server, process) = of(Script { takes_all: true, ..Script::default() }, 0).await;
    let mut stdin = process.stdin().clone();
    assert_eq!(copy(&mut data.as_slice(), &mut stdin).await.unwrap(), data.len() as u64);
    stdin.shutdown().await.unwrap();
    let writes = server.script.writes.lock().unwrap().clone();
    let (closed, written) = writes.split_last().unwrap();
    assert_eq!(*closed, (data.len() as u64, Vec::new(), true));
    let written: Vec<u8> = written.iter().flat_map(|(_, part, _)| part.clone()).collect();
    assert!(written == data, "{} bytes differ", written.len());
}

#[tokio::test]
async fn hooks_see_calls_and_connections() {
    static CONNECTIONS: AtomicU32 = AtomicU32::new(0);
    let server = Server::start(Script::default()).await;
    let client = Client::builder()
        .address(&server.address)
        .insecure(true)
        .retry(Retry { attempts: 0, ..Retry::default() })
        .interceptor(|mut request| {
            // As another run of the daemon would have it: the last word is the interceptor's.
            request.metadata_mut().insert("hcsd-incarnation", "TRACED".parse().unwrap());
            Ok(request)
        })
        .endpoint(|endpoint| {
            CONNECTIONS.fetch_add(1, Relaxed);
            endpoint
        })
        .connect()
        .await
        .unwrap();
    client.create(["true"]).await.unwrap();
    assert_eq!(*server.script.pins.lock().unwrap(), ["TRACED"]);
    assert_eq!(CONNECTIONS.load(Relaxed), 1);
}
