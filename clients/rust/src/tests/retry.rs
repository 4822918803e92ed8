use std::{io, sync::Mutex, time::Duration};

use tokio::{net::TcpListener, time::Instant};
use tonic::{Code, Status};

use super::server::{Script, Server, any, cut, failure};
use crate::{Client, Error, ErrorKind, Retry, retry::Attempts, rpc::RetryInfo};

fn attempts(attempts: u32) -> Attempts {
    Attempts::new(Retry { attempts, ..Retry::default() }, "test", "nowhere".into())
}

fn stopping() -> tonic::Status {
    failure(Code::Unavailable, "STOPPING", &[])
}

#[tokio::test(start_paused = true)]
async fn delays_double_up_to_a_bound_with_a_random_half() {
    let mut attempts = attempts(9);
    for most in [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000] {
        let began = Instant::now();
        attempts.failed(stopping().into()).await.unwrap();
        let most = Duration::from_millis(most);
        let took = began.elapsed();
        let clock = Duration::from_millis(1); // its grain
        assert!(took >= most / 2 && took <= most + clock, "{took:?} of {most:?}");
    }
    attempts.failed(stopping().into()).await.unwrap_err();
    attempts.succeeded();
    attempts.failed(stopping().into()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_daemon_says_when_it_is_of_use_at_the_earliest() {
    let delay = Some(prost_types::Duration { seconds: 30, nanos: 0 });
    let details = [any(&RetryInfo { retry_delay: delay })];
    let error = Error::from(failure(Code::Unavailable, "STOPPING", &details));
    let began = Instant::now();
    attempts(12).failed(error).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(30));
}

#[tokio::test]
async fn what_is_safe_to_repeat_is_repeated_until_the_daemon_answers() {
    let failures = Mutex::new([stopping(), stopping()].into());
    let server = Server::start(Script { failures, ..Script::default() }).await;
    server.client(12).await.create(["true"]).await.unwrap();
    let ids = server.script.request_ids.lock().unwrap().clone();
    assert_eq!(ids.len(), 3);
    assert!(!ids[0].is_empty() && ids.iter().all(|id| *id == ids[0]), "{ids:?} start one process");
}

#[tokio::test]
async fn after_the_last_attempt_the_last_error_is_told() {
    let server = Server::start(Script::default()).await;
    let process = server.client(2).await.create(["true"]).await.unwrap();
    let aborted = failure(Code::Unavailable, "THE_LAST", &[]);
    *server.script.failures.lock().unwrap() = [stopping(), stopping(), aborted].into();
    let error = process.get().await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "THE_LAST"));
    assert_eq!(server.script.calls(), 1 + 3);
}

#[tokio::test]
async fn a_signal_is_sent_once() {
    let server = Server::start(Script::default()).await;
    let process = server.client(12).await.create(["true"]).await.unwrap();
    *server.script.failures.lock().unwrap() = [stopping()].into();
    assert_eq!(process.signal("TERM").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(server.script.calls(), 1 + 1);
}

#[tokio::test]
async fn a_daemon_that_was_never_there_is_not_waited_for() {
    let address = Server::start(Script::default()).await.address.clone(); // nobody is there any more
    let patient = Retry { attempts: u32::MAX, ..Retry::default() };
    let client =
        Client::builder().address(&address).insecure(true).retry(patient).connect().await.unwrap();
    let error = client.create(["true"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DaemonUnreachable);
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn who_hangs_up_without_a_word_is_no_daemon() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let hanging_up = tokio::spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
        }
    });
    let patient = Retry { attempts: u32::MAX, ..Retry::default() };
    let client =
        Client::builder().address(address).insecure(true).retry(patient).connect().await.unwrap();
    let error = client.create(["true"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DaemonUnreachable);
    assert!(error.to_string().contains("it hung up at once; it may speak TLS"), "{error}");
    hanging_up.abort();
}

#[tokio::test]
async fn a_daemon_that_was_there_is_lost() {
    let server = Server::start(Script::default()).await;
    let process = server.client(0).await.create(["true"]).await.unwrap();
    *server.script.failures.lock().unwrap() = [Status::unavailable("Socket closed")].into();
    assert_eq!(process.get().await.unwrap_err().kind(), ErrorKind::ConnectionLost);
}

#[tokio::test]
async fn a_program_that_listens_sees_each_retry() {
    // For all threads, since tests beside this one also meet what is logged first.
    tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).init();
    let failures = Mutex::new([cut(), stopping()].into());
    let server = Server::start(Script { failures, ..Script::default() }).await;
    server.client(12).await.create(["true"]).await.unwrap();
    let log = String::from_utf8(LOGGED.lock().unwrap().clone()).unwrap();
    let address = format!("address={} ", server.address);
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(&address)).collect();
    let wanted = [
        ["tries again", "attempt=1 of=12", "error=lost the connection to the daemon: says a proxy"],
        ["tries again", "attempt=2 of=12", "error=says the test"],
        ["the daemon answers again", "attempts=2", ""],
    ];
    assert_eq!(lines.len(), wanted.len(), "{log}");
    for (line, wanted) in lines.iter().zip(wanted) {
        for part in wanted.iter().chain(&["INFO", "what=\"CreateProcess\""]) {
            assert!(line.contains(part), "no '{part}' in: {line}");
        }
    }
}

static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Writes to what was logged.
struct Log;

impl io::Write for Log {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        LOGGED.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
