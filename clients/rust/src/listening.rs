//! A stream of messages, and when it counts as lost.
//!
//! | state     | event                                       | next                                 |
//! |-----------|---------------------------------------------|--------------------------------------|
//! | Beginning | a message                                   | Plain                                |
//! | Plain     | a heartbeat, or another message of a daemon | Beating                              |
//! |           | that knows heartbeats                       |                                      |
//! | Beginning | none for `Keepalive::beginning`             | lost                                 |
//! | Beating   | none for `Keepalive::silence`               | lost                                 |
//! | any       | the end, of a stream whose last message was | lost                                 |
//! |           | not there                                   |                                      |
//!
//! A daemon that knows no heartbeats sends none, so its silence says nothing. A stream that is lost by
//! its silence takes the connection along: what comes next gets another one.

use tokio::time::Instant;
use tonic::{Response, Status, Streaming};

use crate::{
    Error, Result,
    calls::Calls,
    keepalive::within,
    v1::{
        OutputStarted, ReadOutputResponse, RunProcessResponse, WatchEventsResponse,
        read_output_response, run_process_response, watch_events_response,
    },
};

/// A message that may show that heartbeats come.
pub(crate) trait Beat {
    fn promises_more(&self) -> bool;
}

/// A daemon that tells the options of a process knows heartbeats, too.
fn tells_options(started: &OutputStarted) -> bool {
    started.process.as_ref().is_some_and(|process| process.options.is_some())
}

impl Beat for ReadOutputResponse {
    fn promises_more(&self) -> bool {
        use read_output_response::Event::{Heartbeat, Started};
        match &self.event {
            Some(Heartbeat(_)) => true,
            Some(Started(started)) => tells_options(started),
            _ => false,
        }
    }
}

impl Beat for RunProcessResponse {
    fn promises_more(&self) -> bool {
        use run_process_response::Event::{Heartbeat, Started};
        match &self.event {
            Some(Heartbeat(_)) => true,
            Some(Started(started)) => tells_options(started),
            _ => false,
        }
    }
}

impl Beat for WatchEventsResponse {
    fn promises_more(&self) -> bool {
        matches!(self.item, Some(watch_events_response::Item::Bookmark(_)))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pulse {
    Beginning,
    Plain,
    Beating,
}

pub(crate) struct Listening<M> {
    calls: Calls,
    messages: Streaming<M>,
    pulse: Pulse,
    began: Instant,
}

impl<M: Beat> Listening<M> {
    /// Makes the call.
    pub(crate) async fn begin(
        calls: &Calls,
        call: impl Future<Output = std::result::Result<Response<Streaming<M>>, Status>>,
    ) -> Result<Self> {
        let began = Instant::now();
        let Some(answer) = within(calls.keepalive.beginning(), calls.answer(call)).await else {
            return Err(calls.silent(began));
        };
        let messages = answer?.into_inner();
        Ok(Self { calls: calls.clone(), messages, pulse: Pulse::Beginning, began })
    }

    /// Waits for the next message. The end is an error, since the last message comes before it.
    ///
    /// Cancel safety: no message is lost.
    pub(crate) async fn message(&mut self) -> Result<M> {
        let limit = match self.pulse {
            Pulse::Beginning => self.calls.keepalive.beginning(),
            Pulse::Plain => None,
            Pulse::Beating => self.calls.keepalive.silence(),
        };
        let Some(message) = within(limit, self.calls.answer(self.messages.message())).await else {
            return Err(self.calls.silent(self.began));
        };
        let message = message?.ok_or_else(|| Error::lost("the stream has no end"))?;
        if message.promises_more() {
            self.pulse = Pulse::Beating;
        } else if self.pulse == Pulse::Beginning {
            self.pulse = Pulse::Plain;
        }
        Ok(message)
    }
}
