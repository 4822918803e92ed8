//! What every call has in common: the channel, its metadata, its end when the client is closed, and
//! repeating it.

use std::{fmt, sync::Arc};

use tokio::{select, sync::watch};
use tonic::{Response, Status, transport::Channel};

use crate::{
    Error, ErrorKind, Result, Retry,
    retry::Attempts,
    transport::{Metadata, Peer, Transport},
    v1::{
        compute_system_service_client::ComputeSystemServiceClient,
        event_service_client::EventServiceClient, host_service_client::HostServiceClient,
        process_service_client::ProcessServiceClient,
    },
};

#[derive(Clone)]
pub(crate) struct Calls {
    channel: Channel,
    metadata: Metadata,
    closed: Arc<watch::Sender<bool>>,
    pub(crate) peer: Arc<Peer>,
    pub(crate) retry: Retry,
}

/// Whether the daemon was there before. If it was not, that it is not is told at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contact {
    First,
    Later,
}

impl Calls {
    pub(crate) fn new(peer: Peer, metadata: Metadata, retry: Retry) -> Result<Self> {
        let peer = Arc::new(peer);
        let closed = Arc::new(watch::Sender::new(false));
        Ok(Self { channel: peer.channel()?, metadata, closed, peer, retry })
    }

    /// Returns the same for calls that are meant for this run of the daemon alone.
    pub(crate) fn pinned(&self, incarnation: &str) -> Self {
        Self { metadata: self.metadata.pinned(incarnation), ..self.clone() }
    }

    /// Returns the same over a connection of its own, which belongs to the present runtime. It is
    /// closed when these are.
    pub(crate) fn reconnected(&self) -> Result<Self> {
        Ok(Self { channel: self.peer.channel()?, ..self.clone() })
    }

    /// Ends the calls under way, and refuses others.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    // A page of processes with long command lines may be larger than the 4 MiB that tonic allows.

    pub(crate) fn processes(&self) -> ProcessServiceClient<Transport> {
        ProcessServiceClient::new(self.transport()).max_decoding_message_size(usize::MAX)
    }

    pub(crate) fn systems(&self) -> ComputeSystemServiceClient<Transport> {
        ComputeSystemServiceClient::new(self.transport()).max_decoding_message_size(usize::MAX)
    }

    pub(crate) fn events(&self) -> EventServiceClient<Transport> {
        EventServiceClient::new(self.transport()).max_decoding_message_size(usize::MAX)
    }

    pub(crate) fn host(&self) -> HostServiceClient<Transport> {
        HostServiceClient::new(self.transport()).max_decoding_message_size(usize::MAX)
    }

    fn transport(&self) -> Transport {
        Transport::new(self.channel.clone(), self.metadata.clone())
    }

    /// Waits for an answer, as long as the client is open.
    pub(crate) async fn answer<T>(
        &self,
        call: impl Future<Output = std::result::Result<T, Status>>,
    ) -> Result<T> {
        let mut closed = self.closed.subscribe();
        select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => Err(Error::closed()),
            answer = call => answer.map_err(|status| self.peer.error(status)),
        }
    }

    /// Makes a call that is safe to repeat until the daemon answers.
    pub(crate) async fn repeat<R: Clone, A, F>(
        &self,
        mut contact: Contact,
        request: R,
        call: impl Fn(ProcessServiceClient<Transport>, R) -> F,
    ) -> Result<A>
    where
        F: Future<Output = std::result::Result<Response<A>, Status>>,
    {
        let mut attempts = Attempts::new(self.retry);
        loop {
            let error = match self.answer(call(self.processes(), request.clone())).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(error) => error,
            };
            let never_there =
                contact == Contact::First && error.kind() == ErrorKind::DaemonUnreachable;
            if !error.is_unavailable() || never_there {
                return Err(error);
            }
            contact = Contact::Later;
            attempts.failed(error).await?;
        }
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").field("address", &self.peer.address).finish_non_exhaustive()
    }
}
