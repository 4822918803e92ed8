//! The client: a connection to one daemon, and the processes that it gives.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tonic::{Request, Status, transport::Endpoint};
use uuid::Uuid;

use crate::{
    Address, Command, Error, Events, Process, Result, Retry, ScopedProcess, Transport,
    calls::Calls,
    creation::{Incarnation, create},
    hooks::Hooks,
    keepalive::Keepalive,
    security::{self, Security},
    tls::read_token,
    transport::{Metadata, Peer},
    v1::{
        GetProcessRequest, ListProcessesRequest, Process as ProcessMessage, WatchEventsRequest,
        compute_system_service_client::ComputeSystemServiceClient,
        event_service_client::EventServiceClient, host_service_client::HostServiceClient,
        process_service_client::ProcessServiceClient,
    },
};

/// A connection to one daemon. Cheap to clone; clones share the connection.
///
/// It connects at the first call and never waits for a daemon that is not there. It ends with its last
/// clone and the last object that came from it, or with [`close`](Self::close).
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) calls: Calls,
    pub(crate) incarnation: Incarnation,
}

/// Where a [`Client`] connects, and how; [`Client::builder`] returns it.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ClientBuilder {
    address: Option<String>,
    security: security::Options,
    retry: Retry,
    keepalive: Keepalive,
    hooks: Hooks,
}

impl ClientBuilder {
    /// Sets where the daemon listens, as [`Address`] has it. Default: [`Address::from_env`].
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// Sets the file with the daemon's token, which is sent by TLS alone. Default: what
    /// `HCSD_TOKEN_FILE` names, else, if no CA and no certificate is named either, the file of a daemon of
    /// this user, if the daemon's `server.pem` is beside it.
    pub fn token_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.security.files.token = Some(file.into());
        self
    }

    /// Sets the PEM file of those who may vouch for the daemon: the `server.pem` that it has made, or a CA
    /// of your own. Default: what `HCSD_TLS_CA` names, else `server.pem` beside the token file, else the
    /// CAs that the system trusts.
    pub fn tls_ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.security.files.ca = Some(file.into());
        self
    }

    /// Sets the PEM files of the certificate of this client, with those between it and its CA after it,
    /// and of its private key, for a daemon that wants them. Default: what `HCSD_TLS_CERT` and
    /// `HCSD_TLS_KEY` name.
    pub fn tls_identity_files(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.security.files.cert = Some(certificate.into());
        self.security.files.key = Some(key.into());
        self
    }

    /// Sets whether to speak in clear over TCP, without TLS: others can then read and change what is
    /// sent, so no token is. A token file, CA or certificate that is named as well is an error. Default:
    /// what `HCSD_INSECURE` says (`1` or `true`, `0` or `false`), else TLS.
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.security.insecure = Some(insecure);
        self
    }

    /// Sets how to go on after a lost connection.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Sets after how long without a word from the daemon the client looks whether the connection is
    /// alive. Zero turns that off. Default: 20 s.
    ///
    /// Over TCP the client then pings the daemon, also between calls, but no more often than every 5 s.
    /// The daemon has 10 s to answer. For outputs, events and owned processes the client also asks for
    /// heartbeats in this interval (100 ms to 1 h), over Unix sockets too. The connection counts as lost
    /// if nothing comes for twice this time, and for 1 s, while the program waits for the next message.
    pub fn keepalive(mut self, interval: Duration) -> Self {
        self.keepalive = Keepalive(interval);
        self
    }

    /// Adds an interceptor, for example one that adds metadata for tracing. It sees every call before it
    /// is sent, those of the stubs too. Several interceptors run in the order in which they were added.
    ///
    /// Its error ends the call. `Unavailable`, `Internal`, `Unknown` and `Cancelled` look like a lost
    /// connection, and are tried again.
    pub fn interceptor(
        mut self,
        interceptor: impl Fn(Request<()>) -> std::result::Result<Request<()>, Status>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.hooks.interceptors.push(Arc::new(interceptor));
        self
    }

    /// Sets a function that changes each connection before it is made, for example its windows. It gets
    /// what this crate would use.
    pub fn endpoint(
        mut self,
        change: impl Fn(Endpoint) -> Endpoint + Send + Sync + 'static,
    ) -> Self {
        self.hooks.endpoint = Some(Arc::new(change));
        self
    }

    /// Makes the client: reads the files, and connects at the first call.
    ///
    /// # Errors
    ///
    /// [`Address`](crate::ErrorKind::Address), [`TokenFile`](crate::ErrorKind::TokenFile) and
    /// [`Tls`](crate::ErrorKind::Tls).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn connect(self) -> Result<Client> {
        let address = match self.address {
            Some(text) => text.parse()?,
            None => Address::from_env()?,
        };
        let security = self.security.at(&address)?;
        let mut token = None;
        let mut tls = None;
        if let Security::Tls(files) = &security {
            tls = Some(files.read_tls().await?);
            if let Some(file) = &files.token {
                token = Some(read_token(file).await?);
            }
        }
        let metadata = Metadata::new(token.as_deref(), self.hooks.clone());
        let peer = Peer::new(address, security, tls, self.keepalive, self.hooks);
        let calls = Calls::new(peer, metadata, self.retry, self.keepalive)?;
        Ok(Client { calls, incarnation: Incarnation::default() })
    }
}

impl Client {
    /// Returns what to change of a connection's defaults.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Makes a client with all defaults; see [`ClientBuilder::connect`].
    pub async fn connect() -> Result<Self> {
        Self::builder().connect().await
    }

    /// Where the daemon listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.calls.peer.address
    }

    /// Starts a process that lives on its own, with its output kept as in a log: of each stream the
    /// last MiB, unless the command says otherwise.
    ///
    /// Cancel safety: a call that has reached the daemon completes there, with a process that nobody
    /// has a handle of; give it a process id, and it can be opened.
    ///
    /// # Errors
    ///
    /// Among others [`ExecutableNotFound`](crate::ErrorKind::ExecutableNotFound),
    /// [`NotFound`](crate::ErrorKind::NotFound) for the system,
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), also for a working directory that does not
    /// exist, [`AlreadyExists`](crate::ErrorKind::AlreadyExists) for the process id,
    /// [`RequestIdReused`](crate::ErrorKind::RequestIdReused),
    /// [`FailedPrecondition`](crate::ErrorKind::FailedPrecondition) if the system is not running, and
    /// [`DaemonRestarted`](crate::ErrorKind::DaemonRestarted) if the daemon has lost its state and may
    /// have started the process before: no command runs twice.
    pub async fn create(&self, command: impl Into<Command>) -> Result<Process> {
        self.create_process(command.into().unowned()?).await
    }

    /// Starts a process that is for one scope alone: it is killed, with its descendants, when what this
    /// returns is dropped; see [`ScopedProcess`].
    ///
    /// This program owns the process. If it is killed, or cut off, the daemon kills the process and its
    /// descendants after the [`owner_grace`](Command::owner_grace) of the command, by default 10 s.
    ///
    /// Nothing of its output is lost, however slowly it is read: as with a pipe, the process waits for
    /// who reads it, unless the command says otherwise.
    ///
    /// Cancel safety: if the future is dropped, a process that starts all the same is killed at once.
    ///
    /// Errors are those of [`create`](Self::create).
    pub async fn run(&self, command: impl Into<Command>) -> Result<ScopedProcess> {
        let (client, command) = (self.clone(), command.into().owned());
        // In a task, which goes on if this future is dropped, and then drops what it has made.
        let making =
            tokio::spawn(
                async move { client.create_process(command).await.map(ScopedProcess::new) },
            );
        making.await.unwrap_or_else(|_| Err(Error::closed())) // the runtime ends
    }

    /// Returns a process that was started before, by anyone.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such process.
    pub async fn open(&self, name: impl Into<String>) -> Result<Process> {
        let request = GetProcessRequest { name: name.into() };
        let calls = &self.calls;
        let call =
            calls.repeat("GetProcess", calls.contact(), request, |mut stub, request| async move {
                stub.get_process(request).await
            });
        let process = call.await?.process.unwrap_or_default();
        self.incarnation.note(&process.incarnation);
        Ok(Process::new(calls, process, None))
    }

    /// Returns the processes of a system, or of [`ALL_SYSTEMS`](crate::ALL_SYSTEMS), in order of
    /// creation. What comes and goes meanwhile may be missing.
    pub async fn list_processes(&self, parent: impl Into<String>) -> Result<Vec<ProcessMessage>> {
        let mut request =
            ListProcessesRequest { parent: parent.into(), ..ListProcessesRequest::default() };
        let mut found = Vec::new();
        loop {
            let call = self.calls.repeat(
                "ListProcesses",
                self.calls.contact(),
                request.clone(),
                |mut stub, request| async move { stub.list_processes(request).await },
            );
            let page = call.await?;
            found.extend(page.processes);
            if page.next_page_token.is_empty() {
                return Ok(found);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Watches what happens to compute systems and processes, without an end, and goes on after a lost
    /// connection; see [`Events`].
    ///
    /// Each message has the revision and the incarnation with which another program can go on.
    #[must_use]
    pub fn watch_events(&self, request: WatchEventsRequest) -> Events {
        Events::new(self.calls.clone(), request)
    }

    /// Ends the calls under way, and refuses others of this client, its clones and what came from them,
    /// with [`ErrorKind::Closed`](crate::ErrorKind::Closed). Processes go on. Those of
    /// [`run`](Self::run) have no owner any more and end after their grace: leave them before. An [`Output`](crate::Output) or [`Events`] that nobody
    /// waits for keeps its call until it is dropped or asked again.
    pub fn close(&self) {
        self.calls.close();
    }

    /// Returns the stub of `ProcessService`, for calls that this crate has no method for.
    #[must_use]
    pub fn processes(&self) -> ProcessServiceClient<Transport> {
        self.calls.processes()
    }

    /// Returns the stub of `ComputeSystemService`.
    #[must_use]
    pub fn systems(&self) -> ComputeSystemServiceClient<Transport> {
        self.calls.systems()
    }

    /// Returns the stub of `EventService`.
    #[must_use]
    pub fn events(&self) -> EventServiceClient<Transport> {
        self.calls.events()
    }

    /// Returns the stub of `HostService`.
    #[must_use]
    pub fn host(&self) -> HostServiceClient<Transport> {
        self.calls.host()
    }

    async fn create_process(&self, command: Command) -> Result<Process> {
        let mut request = command.into_request()?;
        let mut stdin_offset = None;
        if request.request_id.is_empty() {
            request.request_id = Uuid::new_v4().to_string();
            stdin_offset = Some(0); // nobody else can have created it
        }
        let process = create(&self.calls, &self.incarnation, request).await?;
        Ok(Process::new(&self.calls, process, stdin_offset))
    }
}
