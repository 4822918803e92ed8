//! A daemon that does as a test says.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use hyper::{body::Incoming, server::conn::http2};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use prost::{Message, Name};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};
use tonic::{
    Code, Status,
    body::Body,
    codegen::{Service, http},
};

use crate::{
    Client, Retry,
    rpc::{self, ErrorInfo},
    v1::{
        ExecProcessRequest, ExecProcessResponse, Process, ProcessOptions, ReadOutputRequest,
        TerminateScope, WatchEventsRequest, event_service_server::EventServiceServer,
        host_service_server::HostServiceServer, process_service_server::ProcessServiceServer,
        read_output_response, watch_events_response,
    },
};

/// When a stream falls silent after its first message.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Silence {
    #[default]
    Never,
    AtOnce,
    AfterHeartbeat,
}

/// What the server has been asked, and what it is to answer.
#[derive(Default)]
pub(super) struct Script {
    /// What the next calls fail with, one each.
    pub(super) failures: Mutex<VecDeque<Status>>,
    /// What each `RunProcess` fails with before.
    pub(super) disowning: Mutex<VecDeque<Status>>,
    /// Request ids of all `CreateProcess`.
    pub(super) request_ids: Mutex<Vec<String>>,
    /// Offset, data and closing of all `WriteInput`.
    pub(super) writes: Mutex<Vec<(u64, Vec<u8>, bool)>>,
    /// How many calls have come, but for `GetHost` and `RunProcess`.
    pub(super) calls: Mutex<u32>,
    /// Scopes of all `TerminateProcess` and `DeleteProcess`.
    pub(super) scopes: Mutex<Vec<TerminateScope>>,
    /// Tells of each `TerminateProcess`.
    pub(super) terminated: Notify,
    /// Whether every write is answered.
    pub(super) takes_all: bool,
    /// Tells of each write of bytes, which is then never answered.
    pub(super) writing: Notify,
    /// All `ExecProcess`, without their timeouts, and what they answer.
    pub(super) executed: Mutex<Vec<ExecProcessRequest>>,
    pub(super) executions: Mutex<VecDeque<ExecProcessResponse>>,
    /// What the next `ReadOutput` give before the connection is lost, and how they were asked.
    pub(super) reads: Mutex<VecDeque<Vec<read_output_response::Event>>>,
    pub(super) read: Mutex<Vec<ReadOutputRequest>>,
    /// What the process has written, for all other `ReadOutput`.
    pub(super) output: Vec<u8>,
    /// After how many chunks `ReadOutput` breaks; 0 is never.
    pub(super) breaks_after: usize,
    /// What it says who is read; the process that was created, if empty.
    pub(super) uid: String,
    /// When the first `ReadOutput` gives nothing any more.
    pub(super) falls_silent: Silence,
    /// How many requests a proxy answers next, with a page.
    pub(super) pages: Mutex<u32>,
    /// What `GetHost` answers, the last for ever.
    pub(super) incarnations: Mutex<VecDeque<String>>,
    /// The options of the last `CreateProcess` or `ExecProcess`.
    pub(super) options: Mutex<Option<ProcessOptions>>,
    /// What `hcsd-incarnation` was in all `CreateProcess` and `ExecProcess`.
    pub(super) pins: Mutex<Vec<String>>,
    /// How many of the next answers to `WaitProcess`, `ExecProcess` and `WriteInput` are that time is
    /// up, after so many bytes.
    pub(super) waits_in_vain: Mutex<VecDeque<u64>>,
    /// Timeouts of all `WaitProcess`, `ExecProcess` and `WriteInput`, in milliseconds.
    pub(super) timeouts: Mutex<Vec<i64>>,
    /// Tells of each `RunProcess` that attaches as an owner and reads nothing.
    pub(super) owned: Notify,
    /// Tells of the end of each `RunProcess`.
    pub(super) disowned: Arc<Notify>,
    /// What `WatchEvents` gives, call by call; after that of a call the connection is lost.
    pub(super) watches: Mutex<VecDeque<Vec<watch_events_response::Item>>>,
    /// All `WatchEvents`.
    pub(super) watched: Mutex<Vec<WatchEventsRequest>>,
}

impl Script {
    /// Notes a call, and fails if it is to.
    pub(super) fn call(&self) -> Result<(), Status> {
        *self.calls.lock().unwrap() += 1;
        self.failures.lock().unwrap().pop_front().map_or(Ok(()), Err)
    }

    fn gives_page(&self) -> bool {
        let mut pages = self.pages.lock().unwrap();
        let gives = *pages > 0;
        *pages = pages.saturating_sub(1);
        gives
    }

    pub(super) fn calls(&self) -> u32 {
        *self.calls.lock().unwrap()
    }
}

/// The server, until it is dropped.
pub(super) struct Server {
    pub(super) script: Arc<Script>,
    pub(super) address: String,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(script: Script) -> Self {
        let script = Arc::new(script);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let served = Arc::clone(&script);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let script = Arc::clone(&served);
                let service = tower::service_fn(move |request| route(Arc::clone(&script), request));
                let service = TowerToHyperService::new(service);
                let builder = http2::Builder::new(TokioExecutor::new());
                // Ends with the client.
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { script, address, task }
    }

    pub(super) async fn client(&self, attempts: u32) -> Client {
        let retry = Retry { attempts, ..Retry::default() };
        Client::builder()
            .address(&self.address)
            .insecure(true)
            .retry(retry)
            .connect()
            .await
            .unwrap()
    }
}

async fn route(
    script: Arc<Script>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Body>, Infallible> {
    if script.gives_page() {
        let page = http::Response::builder().status(502).header("content-type", "text/html");
        return Ok(page.body(Body::new("<html>".to_owned())).unwrap());
    }
    match request.uri().path().split('/').nth(1) {
        Some("hcsd.v1.HostService") => HostServiceServer::from_arc(script).call(request).await,
        Some("hcsd.v1.EventService") => EventServiceServer::from_arc(script).call(request).await,
        _ => ProcessServiceServer::from_arc(script).call(request).await,
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Returns a status as the daemon makes it.
pub(super) fn failure(code: Code, reason: &str, details: &[prost_types::Any]) -> Status {
    let info = ErrorInfo {
        reason: reason.to_owned(),
        domain: "hcsd".to_owned(),
        metadata: [("hresult".to_owned(), "0x80370105".to_owned())].into(),
    };
    let details = [&[any(&info)], details].concat();
    let status = rpc::Status { code: code as i32, message: "says the test".to_owned(), details };
    Status::with_details(code, "says the test", status.encode_to_vec().into())
}

pub(super) fn any<M: Message + Name>(message: &M) -> prost_types::Any {
    prost_types::Any::from_msg(message).unwrap()
}

/// Returns a status as what is between here and there makes it.
pub(super) fn cut() -> Status {
    Status::internal("says a proxy")
}

impl Script {
    pub(super) fn process(&self) -> Process {
        Process {
            name: "systems/host/processes/p".to_owned(),
            uid: "UID".to_owned(),
            incarnation: "INCARNATION".to_owned(),
            pid: 7,
            options: self.options.lock().unwrap().clone(),
            ..Process::default()
        }
    }

    /// Notes how long a call may wait, and says after how many bytes that time is up, if it is.
    pub(super) fn in_vain(&self, timeout: Option<prost_types::Duration>) -> Option<u64> {
        let timeout = timeout.unwrap();
        let timeout = timeout.seconds * 1000 + i64::from(timeout.nanos) / 1_000_000;
        self.timeouts.lock().unwrap().push(timeout);
        self.waits_in_vain.lock().unwrap().pop_front()
    }
}
