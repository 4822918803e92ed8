//! The other services of the server.

use tokio_stream::StreamExt;
use tonic::{Code, Request, Response, Status, codegen::BoxStream};

use super::server::{Script, cut, failure};
use crate::v1::{
    GetHostRequest, GetHostResponse, WatchEventsRequest, WatchEventsResponse,
    event_service_server::EventService, host_service_server::HostService,
};

#[tonic::async_trait]
impl HostService for Script {
    async fn get_host(
        &self,
        _: Request<GetHostRequest>,
    ) -> Result<Response<GetHostResponse>, Status> {
        let mut incarnations = self.incarnations.lock().unwrap();
        let incarnation = match incarnations.len() {
            0 => "INCARNATION".to_owned(),
            1 => incarnations[0].clone(),
            _ => incarnations.pop_front().unwrap(),
        };
        Ok(Response::new(GetHostResponse { incarnation, ..GetHostResponse::default() }))
    }
}

#[tonic::async_trait]
impl EventService for Script {
    async fn watch_events(
        &self,
        request: Request<WatchEventsRequest>,
    ) -> Result<Response<BoxStream<WatchEventsResponse>>, Status> {
        self.call()?;
        self.watched.lock().unwrap().push(request.into_inner());
        let Some(items) = self.watches.lock().unwrap().pop_front() else {
            return Err(failure(Code::OutOfRange, "REVISION_COMPACTED", &[]));
        };
        let items = items.into_iter().map(|item| Ok(WatchEventsResponse { item: Some(item) }));
        let items = tokio_stream::iter(items).chain(tokio_stream::once(Err(cut())));
        Ok(Response::new(Box::pin(items)))
    }
}
