//! Trying again while the daemon is out of reach.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tracing::info;

use crate::{Error, Result};

/// How a [`Process`](crate::Process) goes on when the connection breaks.
///
/// It tries again after `first_delay`, doubling up to `max_delay`, each time with a random part of
/// it and not before the daemon says it is of use. After `attempts` in a row without a word from the
/// daemon, by default after some 10 s, it gives the last error. Any message of the daemon begins the
/// count anew, a heartbeat too.
///
/// Each attempt, and each success after some, is an event of `tracing`, of the level INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often to try again; 0 gives the first error.
    pub attempts: u32,
    /// Time before the first attempt.
    pub first_delay: Duration,
    /// Time between two attempts at the most.
    pub max_delay: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 12,
            first_delay: Duration::from_millis(50),
            max_delay: Duration::from_secs(2),
        }
    }
}

/// The attempts of one task after the last word from the daemon.
#[derive(Debug)]
pub(crate) struct Attempts {
    retry: Retry,
    what: &'static str,
    address: Arc<str>,
    failed: u32,
}

impl Attempts {
    pub(crate) fn new(retry: Retry, what: &'static str, address: Arc<str>) -> Self {
        Self { retry, what, address, failed: 0 }
    }

    /// Notes a word from the daemon.
    pub(crate) fn succeeded(&mut self) {
        if self.failed > 0 {
            let Self { what, address, failed, .. } = self;
            info!(what, %address, attempts = failed, "the daemon answers again");
            self.failed = 0;
        }
    }

    /// Waits before the next attempt, or gives the error back if there is to be none.
    pub(crate) async fn failed(&mut self, error: Error) -> Result<()> {
        let Self { retry, what, address, .. } = self;
        if self.failed >= retry.attempts {
            return Err(error);
        }
        let delay = retry.first_delay.saturating_mul(2_u32.saturating_pow(self.failed));
        self.failed += 1;
        // The random part keeps many clients from coming back in step.
        let part = 0.5 + fastrand::f64() / 2.0;
        let delay = delay.min(retry.max_delay).mul_f64(part);
        let delay = delay.max(error.retry_delay().unwrap_or_default());
        let (attempt, of) = (self.failed, retry.attempts);
        info!(what, %address, attempt, of, ?delay, %error, "tries again");
        sleep(delay).await;
        Ok(())
    }
}
