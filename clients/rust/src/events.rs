//! What happens to compute systems and processes.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use tonic::Streaming;

use crate::{
    Result,
    calls::Calls,
    steps::Steps,
    v1::{WatchEventsRequest, WatchEventsResponse},
};

/// What [`Client::watch_events`](crate::Client::watch_events) returns: a `Stream` of messages.
///
/// The call begins with the first message that is asked for, and is over with the first error. Dropping
/// this ends it. A message whose item this version does not know has none.
///
/// Cancel safety: any wait may be dropped; no message is lost.
///
/// # Errors
///
/// [`NotFound`](crate::ErrorKind::NotFound): there is no such system.
/// [`RevisionCompacted`](crate::ErrorKind::RevisionCompacted): events after the revision are no longer
/// kept. [`OutOfRange`](crate::ErrorKind::OutOfRange): it belongs to another run of the daemon.
/// [`SubscriberStalled`](crate::ErrorKind::SubscriberStalled): the caller has fallen too far behind.
pub struct Events {
    steps: Steps<Watch, Result<Option<WatchEventsResponse>>>,
    over: bool,
}

struct Watch {
    calls: Calls,
    request: WatchEventsRequest,
    call: Option<Streaming<WatchEventsResponse>>,
}

impl Events {
    pub(crate) fn new(calls: Calls, request: WatchEventsRequest) -> Self {
        let watch = Watch { calls, request, call: None };
        let steps = Steps::new(watch, |mut watch| {
            Box::pin(async move {
                let message = watch.message().await;
                (watch, message)
            })
        });
        Self { steps, over: false }
    }

    /// Returns the next message; none after an error.
    pub async fn message(&mut self) -> Result<Option<WatchEventsResponse>> {
        std::future::poll_fn(|cx| self.poll_message(cx)).await.transpose()
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<WatchEventsResponse>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let message = ready!(self.steps.poll_step(cx)).transpose();
        self.over = !matches!(message, Some(Ok(_)));
        Poll::Ready(message)
    }
}

impl Stream for Events {
    type Item = Result<WatchEventsResponse>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_message(cx)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("over", &self.over).finish_non_exhaustive()
    }
}

impl Watch {
    async fn message(&mut self) -> Result<Option<WatchEventsResponse>> {
        let call = match &mut self.call {
            Some(call) => call,
            none => {
                let mut stub = self.calls.events();
                let request = self.request.clone();
                none.insert(self.calls.answer(stub.watch_events(request)).await?.into_inner())
            }
        };
        self.calls.answer(call.message()).await
    }
}
