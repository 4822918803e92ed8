//! Trying again while the daemon is out of reach.

use std::time::Duration;

use tokio::time::sleep;

use crate::{Error, Result};

/// How a [`Process`](crate::Process) goes on when the connection breaks.
///
/// It tries again after `first_delay`, doubling up to `max_delay`, each time with a random part of
/// it and not before the daemon says it is of use, and gives the last error after `attempts` in a
/// row without any progress: by default after some 10 s. The count begins anew with every answer.
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

/// The attempts of one task after its last progress.
#[derive(Debug)]
pub(crate) struct Attempts {
    retry: Retry,
    failed: u32,
}

impl Attempts {
    pub(crate) fn new(retry: Retry) -> Self {
        Self { retry, failed: 0 }
    }

    /// Notes progress.
    pub(crate) fn succeeded(&mut self) {
        self.failed = 0;
    }

    /// Waits before the next attempt, or gives the error back if there is to be none.
    pub(crate) async fn failed(&mut self, error: Error) -> Result<()> {
        if self.failed >= self.retry.attempts {
            return Err(error);
        }
        let delay = self.retry.first_delay.saturating_mul(2_u32.saturating_pow(self.failed));
        self.failed += 1;
        // The random part keeps many clients from coming back in step.
        let part = 0.5 + fastrand::f64() / 2.0;
        let delay = delay.min(self.retry.max_delay).mul_f64(part);
        sleep(delay.max(error.retry_delay().unwrap_or_default())).await;
        Ok(())
    }
}
