//! What every call has in common: the channel, its metadata, its end when the client is closed, and
//! repeating it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{select, sync::watch, time::Instant};
use tonic::{Response, Status, transport::Channel};

use crate::{
    Error, ErrorKind, Result, Retry,
    keepalive::{ANSWER_TIMEOUT, Keepalive, within},
    retry::Attempts,
    transport::{Metadata, Peer, Transport, transport},
    v1::{
        TerminateProcessRequest, TerminateProcessResponse, WaitProcessRequest, WaitProcessResponse,
        compute_system_service_client::ComputeSystemServiceClient,
        event_service_client::EventServiceClient, host_service_client::HostServiceClient,
        process_service_client::ProcessServiceClient,
    },
};

#[derive(Clone)]
pub(crate) struct Calls {
    link: Arc<Mutex<Link>>,
    metadata: Metadata,
    closed: Arc<watch::Sender<bool>>,
    pub(crate) peer: Arc<Peer>,
    pub(crate) retry: Retry,
    pub(crate) keepalive: Keepalive,
}

/// The channel of later calls; those under way keep the one that they began with.
struct Link {
    channel: Channel,
    made: Instant,
}

/// Whether the daemon was there before. If it was not, that it is not is told at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contact {
    First,
    Later,
}

/// A request that bounds how long the daemon waits, and its answer.
pub(crate) trait Piece: Clone {
    type Answer;
    fn set_timeout(&mut self, timeout: Option<prost_types::Duration>);
    fn timed_out(answer: &Self::Answer) -> bool;
}

impl Piece for WaitProcessRequest {
    type Answer = WaitProcessResponse;

    fn set_timeout(&mut self, timeout: Option<prost_types::Duration>) {
        self.timeout = timeout;
    }

    fn timed_out(answer: &WaitProcessResponse) -> bool {
        answer.timed_out
    }
}

impl Piece for TerminateProcessRequest {
    type Answer = TerminateProcessResponse;

    fn set_timeout(&mut self, timeout: Option<prost_types::Duration>) {
        self.timeout = timeout;
    }

    fn timed_out(answer: &TerminateProcessResponse) -> bool {
        answer.timed_out
    }
}

impl Link {
    fn new(peer: &Arc<Peer>) -> Result<Arc<Mutex<Self>>> {
        let link = Self { channel: peer.channel()?, made: Instant::now() };
        Ok(Arc::new(Mutex::new(link)))
    }
}

impl Calls {
    pub(crate) fn new(
        peer: Peer,
        metadata: Metadata,
        retry: Retry,
        keepalive: Keepalive,
    ) -> Result<Self> {
        let peer = Arc::new(peer);
        let closed = Arc::new(watch::Sender::new(false));
        Ok(Self { link: Link::new(&peer)?, metadata, closed, peer, retry, keepalive })
    }

    /// Returns the same for calls that are meant for this run of the daemon alone.
    pub(crate) fn pinned(&self, incarnation: &str) -> Self {
        Self { metadata: self.metadata.pinned(incarnation), ..self.clone() }
    }

    /// Returns the same over a connection of its own, which belongs to the present runtime. It is
    /// closed when these are.
    pub(crate) fn reconnected(&self) -> Result<Self> {
        Ok(Self { link: Link::new(&self.peer)?, ..self.clone() })
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
        let channel = self.link.lock().unwrap_or_else(PoisonError::into_inner).channel.clone();
        transport(channel, self.metadata.clone())
    }

    pub(crate) fn attempts(&self, what: &'static str) -> Attempts {
        Attempts::new(self.retry, what, Arc::clone(&self.peer.shown))
    }

    /// Whether the daemon was there before.
    pub(crate) fn contact(&self) -> Contact {
        if self.peer.is_met() { Contact::Later } else { Contact::First }
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

    /// Waits for the answer of a call that bounds by itself how long the daemon waits.
    pub(crate) async fn piece<T>(
        &self,
        length: Duration,
        call: impl Future<Output = std::result::Result<T, Status>>,
    ) -> Result<T> {
        let began = Instant::now();
        let limit = Some(length + ANSWER_TIMEOUT);
        match within(limit, self.answer(call)).await {
            Some(answer) => answer,
            None => Err(self.silent(began)),
        }
    }

    /// Gives up the connection of a call from which nothing comes, and returns the error for it.
    pub(crate) fn silent(&self, began: Instant) -> Error {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        // Unless somebody else has done so since the call began.
        if link.made <= began
            && let Ok(channel) = self.peer.channel()
        {
            *link = Link { channel, made: Instant::now() };
        }
        Error::lost("nothing comes from it any more")
    }

    /// Makes a call that is safe to repeat until the daemon answers.
    pub(crate) async fn repeat<R: Clone, A, F>(
        &self,
        what: &'static str,
        mut contact: Contact,
        request: R,
        call: impl Fn(ProcessServiceClient<Transport>, R) -> F,
    ) -> Result<A>
    where
        F: Future<Output = std::result::Result<Response<A>, Status>>,
    {
        let mut attempts = self.attempts(what);
        loop {
            let error = match self.answer(call(self.processes(), request.clone())).await {
                Ok(answer) => {
                    attempts.succeeded();
                    return Ok(answer.into_inner());
                }
                Err(error) => error,
            };
            if !error.is_passing() || error.is_of_first(contact) {
                return Err(error);
            }
            contact = Contact::Later;
            attempts.failed(error).await?;
        }
    }

    /// Makes a call that must not happen twice: again only while no daemon can have got it.
    pub(crate) async fn once<R: Clone, A, F>(
        &self,
        what: &'static str,
        request: R,
        call: impl Fn(ProcessServiceClient<Transport>, R) -> F,
    ) -> Result<A>
    where
        F: Future<Output = std::result::Result<Response<A>, Status>>,
    {
        let mut attempts = self.attempts(what);
        loop {
            match self.answer(call(self.processes(), request.clone())).await {
                Ok(answer) => {
                    attempts.succeeded();
                    return Ok(answer.into_inner());
                }
                Err(error) if error.kind() == ErrorKind::DaemonUnreachable => {
                    attempts.failed(error).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes a call that may wait for long, and is safe to repeat, in pieces.
    pub(crate) async fn wait<R: Piece, F>(
        &self,
        what: &'static str,
        mut contact: Contact,
        mut request: R,
        call: impl Fn(ProcessServiceClient<Transport>, R) -> F,
    ) -> Result<R::Answer>
    where
        F: Future<Output = std::result::Result<Response<R::Answer>, Status>>,
    {
        let mut attempts = self.attempts(what);
        let mut pieces = self.keepalive.pieces();
        loop {
            request.set_timeout(pieces.timeout());
            let began = Instant::now();
            let call = call(self.processes(), request.clone());
            let error = match self.piece(pieces.length(), call).await {
                Ok(answer) => {
                    attempts.succeeded();
                    contact = Contact::Later;
                    if R::timed_out(answer.get_ref()) {
                        continue;
                    }
                    return Ok(answer.into_inner());
                }
                Err(error) => error,
            };
            if !error.is_passing() || error.is_of_first(contact) {
                return Err(error);
            }
            if error.kind() == ErrorKind::ConnectionLost {
                pieces.lost(began.elapsed());
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
