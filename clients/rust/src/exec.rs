//! Commands that are run to their end, in one call.

use bytes::Bytes;
use uuid::Uuid;

use crate::{
    Client, Command, Completed, Result,
    creation::run_to_end,
    v1::{ExecProcessRequest, OrphanPolicy},
};

impl Client {
    /// Runs a command to its end, and returns how it ended and what it wrote, as the `output` of
    /// [`std::process::Command`] does. A code other than 0 is no error: [`Completed::check`] makes it
    /// one.
    ///
    /// The process reads [`Command::stdin_bytes`] and then end of file. A lost connection shows only as a
    /// pause, and the command is run once.
    ///
    /// ```no_run
    /// # async fn example(client: hcsd_client::Client) -> hcsd_client::Result<()> {
    /// # use hcsd_client::Command;
    /// let command = Command::new("tr").args(["a-z", "A-Z"]).stdin_bytes("hello");
    /// let done = client.exec(command).await?.check()?;
    /// assert_eq!(done.stdout, b"HELLO");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Cancel safety: if the future is dropped, or the program ends, the daemon kills the process with
    /// what it has started, [`owner_grace`](Command::owner_grace) later.
    ///
    /// # Errors
    ///
    /// [`ProcessTimeout`](crate::ErrorKind::ProcessTimeout): its
    /// [`run_timeout`](Command::run_timeout) was up, and it was killed with what it had started.
    /// [`DaemonRestarted`](crate::ErrorKind::DaemonRestarted): the daemon lost its state while the
    /// process ran. [`NotFound`](crate::ErrorKind::NotFound): it was deleted meanwhile. And those of
    /// [`create`](Self::create).
    pub async fn exec(&self, command: impl Into<Command>) -> Result<Completed> {
        let request = command.into().into_exec()?;
        let answer = run_to_end(&self.calls, &self.incarnation, request).await?;
        Completed::from(answer).in_time()
    }
}

impl Command {
    /// Sets what a process of [`Client::exec`] reads from stdin before end of file. By default
    /// nothing. For a process of [`Client::create`] or [`Client::run`] it is
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage).
    pub fn stdin_bytes(mut self, bytes: impl Into<Bytes>) -> Self {
        self.exec_only.get_or_insert_default().stdin = bytes.into();
        self
    }

    /// Sets how many bytes of each output [`Client::exec`] returns, the last ones. By default, and at
    /// most, 1 MiB; see [`Completed::truncated`]. For a process of [`Client::create`] or [`Client::run`]
    /// it is [`ErrorKind::Usage`](crate::ErrorKind::Usage).
    pub fn max_output_bytes(mut self, count: u32) -> Self {
        self.exec_only.get_or_insert_default().max_output_bytes = count;
        self
    }

    fn into_exec(mut self) -> Result<ExecProcessRequest> {
        let request = self.exec_only.take().unwrap_or_default();
        let mut create = self.with_ownership(OrphanPolicy::Keep).into_request()?;
        if create.request_id.is_empty() {
            create.request_id = Uuid::new_v4().to_string();
        }
        Ok(ExecProcessRequest { create: Some(create), ..request })
    }
}
