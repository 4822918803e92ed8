//! The processes of the server.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_stream::StreamExt;
use tonic::{Request, Response, Status, Streaming, codegen::BoxStream};

use super::server::{Script, Silence, cut};
use crate::v1::{
    CreateProcessRequest, CreateProcessResponse, DeleteProcessRequest, DeleteProcessResponse,
    ExecProcessRequest, ExecProcessResponse, GetProcessRequest, GetProcessResponse, Heartbeat,
    OutputChunk, OutputCursor, OutputEof, OutputStarted, ReadOutputRequest, ReadOutputResponse,
    RunProcessRequest, RunProcessResponse, SignalProcessRequest, SignalProcessResponse,
    TerminateProcessRequest, TerminateProcessResponse, TerminateScope, WaitProcessRequest,
    WaitProcessResponse, WriteInputRequest, WriteInputResponse, output_cursor::Position,
    process_service_server::ProcessService, read_output_response::Event, run_process_request,
    run_process_response,
};

const CHUNK: usize = 1000;

/// Tells that it is dropped.
struct Guard(Arc<Notify>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.notify_one();
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

    async fn exec_process(
        &self,
        request: Request<ExecProcessRequest>,
    ) -> Result<Response<ExecProcessResponse>, Status> {
        let pin = request.metadata().get("hcsd-incarnation").unwrap().to_str().unwrap().to_owned();
        self.pins.lock().unwrap().push(pin);
        let request = request.into_inner();
        let timed_out = self.in_vain(request.timeout).is_some();
        let options = request.create.clone().unwrap_or_default().options;
        self.executed.lock().unwrap().push(ExecProcessRequest { timeout: None, ..request });
        *self.options.lock().unwrap() = options;
        self.call()?;
        let mut answer = self.executions.lock().unwrap().pop_front().unwrap_or_default();
        answer.timed_out = timed_out;
        Ok(Response::new(answer))
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
        let request = request.into_inner();
        if let Some(events) = self.reads.lock().unwrap().pop_front() {
            self.read.lock().unwrap().push(request);
            let events =
                events.into_iter().map(|event| Ok(ReadOutputResponse { event: Some(event) }));
            let events = tokio_stream::iter(events).chain(tokio_stream::once(Err(cut())));
            return Ok(Response::new(Box::pin(events)));
        }
        let cursor = request.cursors[0];
        let Some(Position::Offset(offset)) = cursor.position else {
            return Err(Status::unimplemented("tails"));
        };
        let mut process = self.process();
        if !self.uid.is_empty() {
            process.uid.clone_from(&self.uid);
        }
        let started = OutputStarted { process: Some(process), cursors: vec![cursor] };
        let mut answers = vec![Ok(Event::Started(started))];
        if self.falls_silent != Silence::Never && self.calls() == 2 {
            if self.falls_silent == Silence::AfterHeartbeat {
                answers.push(Ok(Event::Heartbeat(Heartbeat {})));
            }
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
            let chunk = OutputChunk { stream, offset, data, ..OutputChunk::default() };
            answers.push(Ok(Event::Chunk(chunk)));
        }
        answers.push(Ok(Event::Eof(OutputEof::default()))); // not sent after an error
        let answers = answers
            .into_iter()
            .map(|event| event.map(|event| ReadOutputResponse { event: Some(event) }));
        Ok(Response::new(Box::pin(tokio_stream::iter(answers))))
    }
}
