//! The connection to one daemon: how it is made, and what every call carries.

use std::{
    borrow::Cow,
    error, fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use tonic::{
    Request, Status,
    body::Body,
    codegen::http,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint, Uri},
};
use tower::{service_fn, util::MapResponse};

use crate::{
    Address, Error, ErrorKind, Result,
    error::Failure,
    hooks::Hooks,
    keepalive::{ANSWER_TIMEOUT, Keepalive},
    security::Security,
    tls::{self, Tls},
};

/// For who listens and stays silent; who does not listen is seen at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What is on its way must be read anew when the connection breaks, so it must not be more than the
/// daemon keeps behind a reader: half a MiB, by default.
const STREAM_WINDOW: u32 = 128 * 1024;
/// No limit: a stream that nobody reads must not hold up the others.
const CONNECTION_WINDOW: u32 = i32::MAX as u32;
const INCARNATION: &str = "hcsd-incarnation";
const HOW_TO_REACH: &str =
    "start one with 'hcsd serve', or name its address in the client's builder or HCSD_ADDRESS";

/// What the stubs of [`Client`](crate::Client) make their calls on.
pub type Transport = InterceptedService<
    MapResponse<Channel, fn(http::Response<Body>) -> http::Response<Body>>,
    Metadata,
>;

pub(crate) fn transport(channel: Channel, metadata: Metadata) -> Transport {
    InterceptedService::new(MapResponse::new(channel, only_grpc as _), metadata)
}

/// Makes of a page, as proxies send it, an answer without the page: a status that tells of it.
fn only_grpc(response: http::Response<Body>) -> http::Response<Body> {
    let kind = response.headers().get(http::header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("no content type");
    if kind.starts_with("application/grpc") {
        return response;
    }
    let message = format!("something else answers, with HTTP {} and {kind}", response.status());
    Status::unavailable(message).into_http()
}

/// Adds to a call what every call carries: the token, which run of the daemon it is meant for, and what
/// the interceptors of the client add.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    authorization: Option<MetadataValue<Ascii>>,
    incarnation: Option<MetadataValue<Ascii>>,
    hooks: Hooks,
}

impl Metadata {
    /// Takes a token without spaces or control characters.
    pub(crate) fn new(token: Option<&str>, hooks: Hooks) -> Self {
        let authorization = token.and_then(|token| {
            let mut value: MetadataValue<Ascii> = format!("Bearer {token}").try_into().ok()?;
            value.set_sensitive(true); // not shown by Debug, nor kept in tables of HTTP/2
            Some(value)
        });
        Self { authorization, incarnation: None, hooks }
    }

    /// Returns the same for calls that are meant for this run of the daemon alone.
    pub(crate) fn pinned(&self, incarnation: &str) -> Self {
        Self { incarnation: incarnation.try_into().ok(), ..self.clone() }
    }
}

impl Interceptor for Metadata {
    fn call(&mut self, mut request: Request<()>) -> std::result::Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        if let Some(value) = &self.authorization {
            metadata.insert("authorization", value.clone());
        }
        if let Some(value) = &self.incarnation {
            metadata.insert(INCARNATION, value.clone());
        }
        self.hooks.call(request)
    }
}

/// The daemon as the other end of connections.
pub(crate) struct Peer {
    pub(crate) address: Address,
    pub(crate) shown: Arc<str>, // the address
    security: Security,
    tls: Option<Tls>,
    keepalive: Keepalive,
    hooks: Hooks,
    met: AtomicBool, // a byte has come from it, ever
}

impl Peer {
    pub(crate) fn new(
        address: Address,
        security: Security,
        tls: Option<Tls>,
        keepalive: Keepalive,
        hooks: Hooks,
    ) -> Self {
        let (shown, met) = (address.to_string().into(), AtomicBool::new(false));
        Self { address, shown, security, tls, keepalive, hooks, met }
    }

    /// Returns a channel that connects at its first call, and again whenever the connection is gone.
    /// Every call finds out for itself whether there is a daemon; none waits for one.
    pub(crate) fn channel(self: &Arc<Self>) -> Result<Channel> {
        let authority = match &self.address {
            Address::Unix { .. } => "localhost".to_owned(),
            tcp @ Address::Tcp { .. } => tcp.to_string(),
        };
        let uri = |scheme: &str| {
            let uri = format!("{scheme}://{authority}").parse::<Uri>();
            let address = self.address.to_string();
            uri.map_err(|error| Error::address(&address, &error.to_string(), HOW_TO_REACH))
        };
        // The channel is not to see https, which it would want to do itself; the daemon is.
        let mut endpoint = Endpoint::from(uri("http")?)
            .origin(uri(if self.tls.is_some() { "https" } else { "http" })?)
            .user_agent(concat!("hcsd-client-rust/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        if let (Address::Tcp { .. }, Some(interval)) =
            (&self.address, self.keepalive.ping_interval())
        {
            endpoint = endpoint
                .http2_keep_alive_interval(interval)
                .keep_alive_timeout(ANSWER_TIMEOUT)
                .keep_alive_while_idle(true);
        }
        let endpoint = self.hooks.endpoint(endpoint);
        let peer = Arc::clone(self);
        Ok(endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
            let peer = Arc::clone(&peer);
            async move { peer.connect().await.map(TokioIo::new) }
        })))
    }

    /// Whether it was there before.
    pub(crate) fn is_met(&self) -> bool {
        self.met.load(Relaxed)
    }

    /// Translates what a call ended with.
    pub(crate) fn error(&self, status: Status) -> Error {
        let error = Error::from(status);
        if error.kind() == ErrorKind::Unauthenticated && matches!(self.address, Address::Tcp { .. })
        {
            return error.adding(&self.security.shown());
        }
        if error.kind() != ErrorKind::ConnectionLost || self.is_met() {
            return error;
        }
        // Who hangs up without a word is no daemon, or not one for this client.
        let remedy = match (&self.address, &self.tls) {
            (Address::Unix { .. }, _) => HOW_TO_REACH,
            (_, None) => {
                "it may speak TLS, as a daemon does over TCP: leave out `insecure` and HCSD_INSECURE"
            }
            (_, Some(_)) => tls::ANOTHER_CERTIFICATE,
        };
        let hung_up = io::Error::new(io::ErrorKind::ConnectionAborted, "it hung up at once");
        let message = self.unreachable(hung_up, remedy.into()).to_string();
        Failure::new(ErrorKind::DaemonUnreachable, error.code(), message).into()
    }

    async fn connect(self: Arc<Self>) -> std::result::Result<Heard, Unreachable> {
        match timeout(CONNECT_TIMEOUT, self.try_connect()).await {
            Ok(Ok(io)) => Ok(Heard { io, peer: self }),
            Ok(Err(error)) => {
                let ca = match &self.security {
                    Security::Tls(files) => files.ca.as_deref(),
                    Security::Clear => None,
                };
                let remedy = tls::remedy(&error, ca).unwrap_or_else(|| HOW_TO_REACH.into());
                Err(self.unreachable(error, remedy))
            }
            Err(_) => {
                let silent = io::Error::new(io::ErrorKind::TimedOut, "it stays silent for 10 s");
                Err(self.unreachable(silent, "another program may listen there".into()))
            }
        }
    }

    async fn try_connect(&self) -> io::Result<Box<dyn Io>> {
        let (host, port) = match &self.address {
            Address::Unix { path } => return connect_unix(path).await,
            Address::Tcp { host, port } => (host, *port),
        };
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        stream.set_nodelay(true)?;
        let Some(config) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
        Ok(Box::new(stream))
    }

    fn unreachable(&self, cause: io::Error, remedy: Cow<'static, str>) -> Unreachable {
        Unreachable { address: self.address.clone(), cause: Arc::new(cause), remedy }
    }
}

/// No daemon answers at the address. Found again by its type in what tonic makes of it.
#[derive(Debug)]
pub(crate) struct Unreachable {
    address: Address,
    pub(crate) cause: Arc<io::Error>,
    remedy: Cow<'static, str>,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, cause, remedy } = self;
        write!(f, "cannot reach a daemon at {address}: {cause}; {remedy}")
    }
}

impl error::Error for Unreachable {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.cause)
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection that notes whether the daemon has said anything.
struct Heard {
    io: Box<dyn Io>,
    peer: Arc<Peer>,
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.peer.met.store(true, Relaxed);
        }
        read
    }
}

impl AsyncWrite for Heard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(unix)]
async fn connect_unix(path: &str) -> io::Result<Box<dyn Io>> {
    Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
}

#[cfg(not(unix))]
async fn connect_unix(_: &str) -> io::Result<Box<dyn Io>> {
    let message = "Unix sockets are not for this system; use host:port";
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}
