//! How a connection that nothing comes from is told from one where nothing happens.

use std::{pin::pin, time::Duration};

use tokio::time::{Instant, timeout_at};

/// What proxies and daemons let pass without complaint.
const SHORTEST_PING_INTERVAL: Duration = Duration::from_secs(5);
/// For the answer to a ping, for the first message of a stream, and for a call beyond its piece.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// What the contract allows.
const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(100);
const LONGEST_HEARTBEAT: Duration = Duration::from_secs(3600);
/// Below this a busy machine would look like a lost connection.
const SHORTEST_SILENCE: Duration = Duration::from_secs(1);
/// How long the daemon is asked to wait at once.
const LONGEST_PIECE: Duration = Duration::from_secs(20);
/// A piece after one that was lost.
const SHORTEST_PIECE: Duration = Duration::from_millis(250);

/// The interval that [`ClientBuilder::keepalive`](crate::ClientBuilder::keepalive) sets; zero is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keepalive(pub(crate) Duration);

impl Default for Keepalive {
    fn default() -> Self {
        Self(Duration::from_secs(20))
    }
}

impl Keepalive {
    fn on(self) -> Option<Duration> {
        (!self.0.is_zero()).then_some(self.0)
    }

    /// After how long without a word a connection over TCP is pinged.
    pub(crate) fn ping_interval(self) -> Option<Duration> {
        self.on().map(|interval| interval.max(SHORTEST_PING_INTERVAL))
    }

    /// What a stream asks for.
    pub(crate) fn heartbeat_interval(self) -> Option<prost_types::Duration> {
        let interval = self.on()?.clamp(SHORTEST_HEARTBEAT, LONGEST_HEARTBEAT);
        interval.try_into().ok()
    }

    /// How long a stream that has heartbeats may be silent.
    pub(crate) fn silence(self) -> Option<Duration> {
        self.on().map(|interval| interval.saturating_mul(2).max(SHORTEST_SILENCE))
    }

    /// How long a stream may take to begin. Any daemon sends a first message at once.
    pub(crate) fn beginning(self) -> Option<Duration> {
        self.silence().map(|silence| silence.max(ANSWER_TIMEOUT))
    }

    /// Returns the pieces of one wait.
    pub(crate) fn pieces(self) -> Pieces {
        let longest = self.on().unwrap_or(LONGEST_PIECE);
        Pieces(longest.clamp(SHORTEST_HEARTBEAT, LONGEST_PIECE))
    }
}

/// The pieces of one long wait: how long the daemon is asked to wait at once. A proxy that ends a
/// call which is silent for too long so meets none.
#[derive(Debug)]
pub(crate) struct Pieces(Duration);

impl Pieces {
    pub(crate) fn length(&self) -> Duration {
        self.0
    }

    /// Returns the same for a message.
    pub(crate) fn timeout(&self) -> Option<prost_types::Duration> {
        self.0.try_into().ok()
    }

    /// Makes the pieces shorter, since one was lost after so long.
    pub(crate) fn lost(&mut self, after: Duration) {
        self.0 = self.0.min(SHORTEST_PIECE.max(after / 2));
    }
}

/// Waits for something as long as the limit allows, if there is one; none if the limit has passed.
///
/// The clock runs only while the caller waits. If the limit has passed for long when this is polled
/// again, nobody was waiting, or the whole program was stopped: then it begins anew.
pub(crate) async fn within<T>(
    limit: Option<Duration>,
    waiting: impl Future<Output = T>,
) -> Option<T> {
    let Some(limit) = limit else { return Some(waiting.await) };
    let mut waiting = pin!(waiting);
    loop {
        let due = Instant::now() + limit;
        if let Ok(found) = timeout_at(due, &mut waiting).await {
            return Some(found);
        }
        if due.elapsed() < limit / 2 {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::task::Poll;

    use tokio::time::advance;

    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn intervals_keep_to_what_others_allow() {
        let set = |interval| Keepalive(ms(interval));
        assert_eq!(Keepalive::default().ping_interval(), Some(ms(20_000)));
        assert_eq!(set(200).ping_interval(), Some(ms(5000)));
        assert_eq!(set(200).silence(), Some(ms(1000)));
        assert_eq!(set(30_000).silence(), Some(ms(60_000)));
        let interval = |found: Keepalive| Duration::try_from(found.heartbeat_interval()?).ok();
        assert_eq!(interval(set(1)), Some(ms(100)));
        assert_eq!(interval(set(7_200_000)), Some(ms(3_600_000)));
        let off = set(0);
        assert_eq!((off.ping_interval(), interval(off), off.silence()), (None, None, None));
        for (set, piece) in [(off, 20_000), (set(60_000), 20_000), (set(2000), 2000)] {
            assert_eq!(set.pieces().length(), ms(piece));
        }
    }

    #[test]
    fn pieces_only_become_shorter_and_stay_long_enough() {
        let mut pieces = Keepalive::default().pieces();
        for (after, length) in [(8000, 4000), (10_000, 4000), (400, 250), (1, 250)] {
            pieces.lost(ms(after));
            assert_eq!(pieces.length(), ms(length));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_counts_while_somebody_waits() {
        assert_eq!(within(Some(ms(1000)), pending::<()>()).await, None);
        let mut waiting = pin!(within(Some(ms(1000)), pending::<()>()));
        let mut poll = async || poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx))).await;
        assert!(poll().await.is_pending());
        advance(ms(60_000)).await; // and nobody waits
        assert!(poll().await.is_pending());
        advance(ms(1001)).await;
        assert_eq!(poll().await, Poll::Ready(None));
    }
}
