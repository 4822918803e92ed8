//! What happens to compute systems and processes, as a stream of messages that survives lost
//! connections.
//!
//! | state    | event                                 | next                                         |
//! |----------|---------------------------------------|----------------------------------------------|
//! | Asked    | a bookmark, an event, a last part of  | Placed, at its revision                      |
//! |          | a snapshot                            |                                              |
//! | Asked    | the daemon is out of reach            | Asked: after a while, the same again         |
//! | Placed   | a later message                       | Placed, at its revision                      |
//! | Placed   | the daemon is out of reach            | Placed: after a while, what is after there   |
//! | Placed   | nothing can follow there              | Asked, if it is for a snapshot; else over    |
//! | any      | any other error                       | over; the error is handed out                |

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;

use crate::{
    Error, ErrorKind, Result,
    calls::{Calls, Contact},
    listening::Listening,
    retry::Attempts,
    steps::Steps,
    v1::{
        EventBookmark, EventSnapshot, WatchEventsRequest, WatchEventsResponse,
        watch_events_response::Item,
    },
};

/// What [`Client::watch_events`](crate::Client::watch_events) returns: a `Stream` of messages.
///
/// The call begins with the first message that is asked for. A lost connection shows only as a pause,
/// within the bounds of [`Retry`](crate::Retry): watching goes on after the last message, and each event
/// is handed out once. A bookmark that says nothing new is left out, unless the request itself sets a
/// `heartbeat_interval`. A message whose item this version does not know has none.
///
/// With `send_snapshot` watching also goes on where the daemon has lost its state, or events are missing:
/// by another snapshot. Whoever gets a part of a snapshot whose revision or incarnation is another one than
/// that of the part before forgets what it knew. A snapshot whose parts have not all come comes anew, too.
///
/// Watching is over with the first error. Dropping this ends it.
///
/// Cancel safety: any wait may be dropped; no message is lost.
///
/// # Errors
///
/// [`NotFound`](crate::ErrorKind::NotFound): there is no such system.
///
/// Without `send_snapshot` also [`DaemonRestarted`](crate::ErrorKind::DaemonRestarted): the daemon
/// has lost the state of the revision, with all processes.
/// [`RevisionCompacted`](crate::ErrorKind::RevisionCompacted): events after it are no longer kept.
/// [`SubscriberStalled`](crate::ErrorKind::SubscriberStalled): the caller has fallen too far behind.
pub struct Events {
    steps: Steps<Watch, Result<Option<WatchEventsResponse>>>,
    over: bool,
}

/// See the head of the module.
struct Watch {
    calls: Calls,
    request: WatchEventsRequest, // what to ask for next
    snapshots: bool,             // it begins with a snapshot, and may begin anew with one
    quiet: bool,                 // leave out bookmarks that say nothing new
    place: Option<(u64, String)>,
    attempts: Attempts,
    contact: Contact,
    call: Option<Listening<WatchEventsResponse>>,
}

impl Events {
    pub(crate) fn new(calls: Calls, mut request: WatchEventsRequest) -> Self {
        let quiet = request.heartbeat_interval.is_none();
        // Less often than that would look like silence.
        let own = calls.keepalive.heartbeat_interval();
        let asked = request.heartbeat_interval.into_iter().chain(own);
        request.heartbeat_interval = asked.min_by_key(|asked| (asked.seconds, asked.nanos));
        let attempts = calls.attempts("WatchEvents");
        let contact = calls.contact();
        let snapshots = request.send_snapshot;
        let place = None;
        let watch =
            Watch { calls, request, snapshots, quiet, place, attempts, contact, call: None };
        let steps = Steps::new(watch, |mut watch| {
            Box::pin(async move {
                let message = watch.next().await.map(Some);
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
    async fn next(&mut self) -> Result<WatchEventsResponse> {
        loop {
            let failure = match self.message().await {
                Ok(message) => {
                    self.contact = Contact::Later;
                    self.attempts.succeeded();
                    if self.is_new(&message) {
                        return Ok(message);
                    }
                    continue;
                }
                Err(error) => error,
            };
            self.call = None;
            if self.begins_anew(&failure) {
                continue;
            }
            if !failure.is_passing() || failure.is_of_first(self.contact) {
                return Err(failure);
            }
            self.contact = Contact::Later;
            self.attempts.failed(failure).await?;
        }
    }

    /// Goes back to a snapshot if nothing can follow the place; tells whether it did.
    fn begins_anew(&mut self, failure: &Error) -> bool {
        use ErrorKind::{DaemonRestarted, RevisionCompacted, SubscriberStalled};
        let no_way_on =
            matches!(failure.kind(), DaemonRestarted | RevisionCompacted | SubscriberStalled);
        if !no_way_on || !self.snapshots || self.place.is_none() {
            return false;
        }
        self.attempts.succeeded(); // the daemon is there
        self.place = None;
        self.request.after_revision = None;
        self.request.incarnation.clear();
        self.request.send_snapshot = true;
        true
    }

    async fn message(&mut self) -> Result<WatchEventsResponse> {
        let call = match &mut self.call {
            Some(call) => call,
            none => {
                if let Some((revision, incarnation)) = &self.place {
                    self.request.after_revision = Some(*revision);
                    self.request.incarnation.clone_from(incarnation);
                    self.request.send_snapshot = false;
                }
                let mut stub = self.calls.events();
                let call = stub.watch_events(self.request.clone());
                none.insert(Listening::begin(&self.calls, call).await?)
            }
        };
        call.message().await
    }

    /// Notes how far a message comes, and tells whether it says anything new.
    fn is_new(&mut self, message: &WatchEventsResponse) -> bool {
        let (revision, incarnation, is_event) = match &message.item {
            Some(Item::Event(event)) => (event.revision, &event.incarnation, true),
            Some(Item::Bookmark(EventBookmark { revision, incarnation })) => {
                (*revision, incarnation, false)
            }
            Some(Item::Snapshot(EventSnapshot {
                revision, incarnation, complete: true, ..
            })) => (*revision, incarnation, true),
            Some(Item::Snapshot(_)) | None => return true,
        };
        let new =
            self.place.as_ref().is_none_or(|(place, of)| of != incarnation || revision > *place);
        if new {
            self.place = Some((revision, incarnation.clone()));
        }
        new || (!is_event && !self.quiet)
    }
}
