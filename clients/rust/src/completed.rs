//! A process that has ended, and whether that is what its caller wanted.

use crate::{
    Error, ErrorKind, Result,
    error::Failure,
    v1::{ExecProcessResponse, ExitReason, ProcessExit, process_exit::Outcome},
};

/// How much of stderr is in the text of an error, in characters.
const SHOWN: usize = 200;

/// A process that has ended, and its output, as [`Client::exec`](crate::Client::exec) and
/// [`Process::communicate`](crate::Process::communicate) return it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Completed {
    /// Its resource name.
    pub name: String,
    /// How it ended.
    pub exit: ProcessExit,
    /// What it wrote to stdout; with a console, all output.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
    /// Whether the begin of an output is missing, since it was too much for one answer.
    pub truncated: bool,
}

impl Completed {
    /// Its exit code; none if nobody can tell.
    #[must_use]
    pub fn exit_code(&self) -> Option<u32> {
        match self.exit.outcome {
            Some(Outcome::ExitCode(code)) => Some(code),
            _ => None,
        }
    }

    /// Returns this if the exit code is 0.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProcessTimeout`]: it was killed, since its
    /// [`run_timeout`](crate::Command::run_timeout) was up. [`ErrorKind::ProcessFailed`]: it ended in
    /// another way. [`Error::completed`] gives the process back.
    pub fn check(self) -> Result<Self> {
        let done = self.in_time()?;
        let why = match done.exit_code() {
            Some(0) => return Ok(done),
            Some(code) => format!("exited with code {code}"),
            None => "has ended, and nobody can tell how".to_owned(),
        };
        Err(done.into_error(ErrorKind::ProcessFailed, &why))
    }

    /// Returns this unless its time was up.
    pub(crate) fn in_time(self) -> Result<Self> {
        if self.exit.reason() == ExitReason::RunTimeout {
            return Err(
                self.into_error(ErrorKind::ProcessTimeout, "was killed, since its time was up")
            );
        }
        Ok(self)
    }

    fn into_error(self, kind: ErrorKind, why: &str) -> Error {
        let said = String::from_utf8_lossy(&self.stderr);
        let said = said.trim();
        let from = said.char_indices().rev().nth(SHOWN - 1).map_or(0, |(index, _)| index);
        let colon = if said.is_empty() { "" } else { ": " };
        let message = format!("'{}' {why}{colon}{}", self.name, &said[from..]);
        Failure { completed: Some(self), ..Failure::new(kind, None, message) }.into()
    }
}

impl From<ExecProcessResponse> for Completed {
    fn from(answer: ExecProcessResponse) -> Self {
        let process = answer.process.unwrap_or_default();
        let (stdout, stderr) =
            (answer.stdout.unwrap_or_default(), answer.stderr.unwrap_or_default());
        let truncated =
            [&stdout, &stderr].iter().any(|output| output.end_offset > output.data.len() as u64);
        Self {
            name: process.name,
            exit: process.exit.unwrap_or_default(),
            stdout: stdout.data.into(),
            stderr: stderr.data.into(),
            truncated,
        }
    }
}
