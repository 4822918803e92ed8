//! A daemon that does as a test says.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use prost::{Message, Name};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};
use tonic::{Code, Request, Response, Status, codegen::BoxStream};

use crate::{
    Client, Retry,
    rpc::{self, ErrorInfo},
    v1::{
        CreateProcessRequest, CreateProcessResponse, DeleteProcessRequest, DeleteProcessResponse,
        GetProcessRequest, GetProcessResponse, OutputChunk, OutputCursor, OutputEof, OutputStarted,
        Process, ReadOutputRequest, ReadOutputResponse, SignalProcessRequest,
        SignalProcessResponse, TerminateProcessRequest, TerminateProcessResponse, TerminateScope,
        WriteInputRequest, WriteInputResponse,
        output_cursor::Position,
        process_service_server::{ProcessService, ProcessServiceServer},
        read_output_response::Event,
    },
};

const CHUNK: usize = 1000;

/// What the server has been asked, and what it is to answer.
#[derive(Default)]
pub(super) struct Script {
    /// What the next calls fail with, one each.
    pub(super) failures: Mutex<VecDeque<Status>>,
    /// Request ids of all `CreateProcess`.
    pub(super) request_ids: Mutex<Vec<String>>,
    /// Offset, data and closing of all `WriteInput`.
    pub(super) writes: Mutex<Vec<(u64, Vec<u8>, bool)>>,
    /// How many calls have come, `ReadOutput` included.
    pub(super) calls: Mutex<u32>,
    /// Scopes of all `TerminateProcess` and `DeleteProcess`.
    pub(super) scopes: Mutex<Vec<TerminateScope>>,
    /// Tells of each `TerminateProcess`.
    pub(super) terminated: Notify,
    /// Tells of each write of bytes, which is then never answered.
    pub(super) writing: Notify,
    /// What the process has written.
    pub(super) output: Vec<u8>,
    /// After how many chunks `ReadOutput` breaks; 0 is never.
    pub(super) breaks_after: usize,
    /// What it says who is read; the process that was created, if empty.
    pub(super) uid: String,
}

impl Script {
    /// Notes a call, and fails if it is to.
    fn call(&self) -> Result<(), Status> {
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
        let service = ProcessServiceServer::from_arc(Arc::clone(&script));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(service.clone());
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

fn process() -> Process {
    Process {
        name: "systems/host/processes/p".to_owned(),
        uid: "UID".to_owned(),
        incarnation: "INCARNATION".to_owned(),
        pid: 7,
        ..Process::default()
    }
}

#[tonic::async_trait]
impl ProcessService for Script {
    async fn create_process(
        &self,
        request: Request<CreateProcessRequest>,
    ) -> Result<Response<CreateProcessResponse>, Status> {
        self.request_ids.lock().unwrap().push(request.into_inner().request_id);
        self.call()?;
        let process = Some(process());
        Ok(Response::new(CreateProcessResponse { process, replayed: false }))
    }

    async fn get_process(
        &self,
        request: Request<GetProcessRequest>,
    ) -> Result<Response<GetProcessResponse>, Status> {
        self.call()?;
        assert_eq!(request.metadata().get("hcsd-incarnation").unwrap(), "INCARNATION");
        Ok(Response::new(GetProcessResponse { process: Some(process()) }))
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
            process: Some(process()),
            scope_applied: TerminateScope::Tree.into(),
            descendants_killed: 3,
        }))
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
        let WriteInputRequest { offset, data, close_stdin, .. } = request.into_inner();
        self.writes.lock().unwrap().push((offset, data.to_vec(), close_stdin));
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
        let mut process = process();
        if !self.uid.is_empty() {
            process.uid.clone_from(&self.uid);
        }
        let started = OutputStarted { process: Some(process), cursors: vec![cursor] };
        let mut answers = vec![Ok(Event::Started(started))];
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
