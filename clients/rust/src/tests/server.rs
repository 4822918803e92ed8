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
use tokio_stream::StreamExt;
use tonic::{
    Code, Request, Response, Status, Streaming,
    body::Body,
    codegen::{BoxStream, Service, http},
};

use crate::{
    Client, Retry,
    rpc::{self, ErrorInfo},
    v1::{
        CreateProcessRequest, CreateProcessResponse, DeleteProcessRequest, DeleteProcessResponse,
        GetProcessRequest, GetProcessResponse, Heartbeat, OutputChunk, OutputCursor, OutputEof,
        OutputStarted, Process, ProcessOptions, ReadOutputRequest, ReadOutputResponse,
        RunProcessRequest, RunProcessResponse, SignalProcessRequest, SignalProcessResponse,
        TerminateProcessRequest, TerminateProcessResponse, TerminateScope, WaitProcessRequest,
        WaitProcessResponse, WatchEventsRequest, WriteInputRequest, WriteInputResponse,
        event_service_server::EventServiceServer,
        host_service_server::HostServiceServer,
        output_cursor::Position,
        process_service_server::{ProcessService, ProcessServiceServer},
        read_output_response::Event,
        run_process_request, run_process_response, watch_events_response,
    },
};

const CHUNK: usize = 1000;

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
    /// What the process has written.
    pub(super) output: Vec<u8>,
    /// After how many chunks `ReadOutput` breaks; 0 is never.
    pub(super) breaks_after: usize,
    /// What it says who is read; the process that was created, if empty.
    pub(super) uid: String,
    /// Whether the first `ReadOutput` gives a heartbeat, and then nothing any more.
    pub(super) falls_silent: bool,
    /// How many requests a proxy answers next, with a page.
    pub(super) pages: Mutex<u32>,
    /// What `GetHost` answers, the last for ever.
    pub(super) incarnations: Mutex<VecDeque<String>>,
    /// The options of the last `CreateProcess`.
    pub(super) options: Mutex<Option<ProcessOptions>>,
    /// What `hcsd-incarnation` was in all `CreateProcess`.
    pub(super) pins: Mutex<Vec<String>>,
    /// How many of the next answers to `WaitProcess` and `WriteInput` are that time is up, after so
    /// many bytes.
    pub(super) waits_in_vain: Mutex<VecDeque<u64>>,
    /// Timeouts of all `WaitProcess` and `WriteInput`, in milliseconds.
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

/// Tells that it is dropped.
struct Guard(Arc<Notify>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Script {
    /// Notes a call, and fails if it is to.
    pub(super) fn call(&self) -> Result<(), Status> {
        *self.calls.lock().unwrap() += 1;
        self.failures.lock().unwrap().pop_front().map_or(Ok(()), Err)
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
    if let Some(left) = {
        let pages = &mut *script.pages.lock().unwrap();
        pages.checked_sub(1).inspect(|left| *pages = *left)
    } {
        let page = Body::new(format!("<html>{left} more</html>"));
        let page =
            http::Response::builder().status(502).header("content-type", "text/html").body(page);
        return Ok(page.unwrap());
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
    fn process(&self) -> Process {
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
    fn in_vain(&self, timeout: Option<prost_types::Duration>) -> Option<u64> {
        let timeout = timeout.unwrap();
        let timeout = timeout.seconds * 1000 + i64::from(timeout.nanos) / 1_000_000;
        self.timeouts.lock().unwrap().push(timeout);
        self.waits_in_vain.lock().unwrap().pop_front()
    }
}

#[tonic::async_trait]
impl ProcessService for Script {
    async fn create_process(
        &self,
        request: Request<CreateProcessRequest>,
    ) -> Result<Response<CreateProcessResponse>, Status> {
        let pin = request.metadata().get("hcsd-incarnation").unwrap().to_str().unwrap().to_owned();
        self.pins.lock().unwrap().push(pin);
        let request = request.into_inner();
        self.request_ids.lock().unwrap().push(request.request_id);
        *self.options.lock().unwrap() = request.options;
        self.call()?;
        let process = Some(self.process());
        Ok(Response::new(CreateProcessResponse { process, replayed: false }))
    }

    async fn get_process(
        &self,
        request: Request<GetProcessRequest>,
    ) -> Result<Response<GetProcessResponse>, Status> {
        self.call()?;
        assert_eq!(request.metadata().get("hcsd-incarnation").unwrap(), "INCARNATION");
        Ok(Response::new(GetProcessResponse { process: Some(self.process()) }))
    }

    async fn signal_process(
        &self,
        _: Request<SignalProcessRequest>,
    ) -> Result<Response<SignalProcessResponse>, Status> {
        self.call()?;
        Ok(Response::new(SignalProcessResponse::default()))
    }

    async fn terminate_process(
        &self,
        request: Request<TerminateProcessRequest>,
    ) -> Result<Response<TerminateProcessResponse>, Status> {
        self.call()?;
        self.scopes.lock().unwrap().push(request.into_inner().scope());
        self.terminated.notify_one();
        Ok(Response::new(TerminateProcessResponse {
            process: Some(self.process()),
            scope_applied: TerminateScope::Tree.into(),
            descendants_killed: 3,
            timed_out: false,
        }))
    }

    async fn wait_process(
        &self,
        request: Request<WaitProcessRequest>,
    ) -> Result<Response<WaitProcessResponse>, Status> {
        let timeout = request.into_inner().timeout;
        let timed_out = self.in_vain(timeout).is_some();
        self.call()?;
        Ok(Response::new(WaitProcessResponse { process: Some(self.process()), timed_out }))
    }

    async fn run_process(
        &self,
        request: Request<Streaming<RunProcessRequest>>,
    ) -> Result<Response<BoxStream<RunProcessResponse>>, Status> {
        self.disowning.lock().unwrap().pop_front().map_or(Ok(()), Err)?;
        let first = request.into_inner().message().await?.unwrap();
        let Some(run_process_request::Request::Attach(attach)) = first.request else {
            return Err(Status::unimplemented("creates"));
        };
        assert!(attach.owner && attach.without_output && first.heartbeat_interval.is_some());
        self.owned.notify_one();
        let guard = Guard(Arc::clone(&self.disowned));
        let started = OutputStarted { process: Some(self.process()), cursors: Vec::new() };
        let event = Some(run_process_response::Event::Started(started));
        let answers = tokio_stream::once(Ok(RunProcessResponse { event }));
        let answers = answers.chain(tokio_stream::pending()).map(move |answer| {
            let _ = &guard;
            answer
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn delete_process(
        &self,
        request: Request<DeleteProcessRequest>,
    ) -> Result<Response<DeleteProcessResponse>, Status> {
        self.call()?;
        self.scopes.lock().unwrap().push(request.into_inner().scope());
        let scope_applied = TerminateScope::Process.into();
        Ok(Response::new(DeleteProcessResponse { scope_applied, descendants_killed: 0 }))
    }

    async fn write_input(
        &self,
        request: Request<WriteInputRequest>,
    ) -> Result<Response<WriteInputResponse>, Status> {
        self.call()?;
        let WriteInputRequest { offset, data, close_stdin, timeout, .. } = request.into_inner();
        self.writes.lock().unwrap().push((offset, data.to_vec(), close_stdin));
        if let Some(taken) = self.in_vain(timeout) {
            let committed_offset = offset + taken;
            let answer =
                WriteInputResponse { committed_offset, timed_out: true, ..Default::default() };
            return Ok(Response::new(answer));
        }
        if self.takes_all {
            let committed_offset = offset + data.len() as u64;
            return Ok(Response::new(WriteInputResponse {
                committed_offset,
                ..Default::default()
            }));
        }
        if !data.is_empty() {
            self.writing.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(Response::new(WriteInputResponse { committed_offset: 3, ..Default::default() }))
    }

    async fn read_output(
        &self,
        request: Request<ReadOutputRequest>,
    ) -> Result<Response<BoxStream<ReadOutputResponse>>, Status> {
        self.call()?;
        let cursor = request.into_inner().cursors[0];
        let Some(Position::Offset(offset)) = cursor.position else {
            return Err(Status::unimplemented("tails"));
        };
        let mut process = self.process();
        if !self.uid.is_empty() {
            process.uid.clone_from(&self.uid);
        }
        let started = OutputStarted { process: Some(process), cursors: vec![cursor] };
        let mut answers = vec![Ok(Event::Started(started))];
        if self.falls_silent && self.calls() == 2 {
            answers.push(Ok(Event::Heartbeat(Heartbeat {})));
            let answers = tokio_stream::iter(answers).chain(tokio_stream::pending());
            let answers =
                answers.map(|event| event.map(|event| ReadOutputResponse { event: Some(event) }));
            return Ok(Response::new(Box::pin(answers)));
        }
        let start = usize::try_from(offset).unwrap();
        for (number, data) in self.output[start..].chunks(CHUNK).enumerate() {
            if self.breaks_after > 0 && number == self.breaks_after {
                answers.push(Err(Status::unavailable("says the test")));
                break;
            }
            let OutputCursor { stream, .. } = cursor;
            let offset = offset + (number * CHUNK) as u64;
            let data = data.to_vec().into();
            answers.push(Ok(Event::Chunk(OutputChunk { stream, offset, data, sequence: 0 })));
        }
        answers.push(Ok(Event::Eof(OutputEof::default()))); // not sent after an error
        let answers = answers
            .into_iter()
            .map(|event| event.map(|event| ReadOutputResponse { event: Some(event) }));
        Ok(Response::new(Box::pin(tokio_stream::iter(answers))))
    }
}
