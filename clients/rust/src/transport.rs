//! The connection to one daemon: how it is made, and what every call carries.

use std::{error, fmt, io, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint, Uri},
};
use tower::service_fn;

use crate::{Address, Error, Result, tls::Tls};

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
pub type Transport = InterceptedService<Channel, Metadata>;

/// Adds to a call what every call carries: the token, and which run of the daemon it is meant for.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    authorization: Option<MetadataValue<Ascii>>,
    incarnation: Option<MetadataValue<Ascii>>,
}

impl Metadata {
    /// Takes a token without spaces or control characters.
    pub(crate) fn new(token: Option<&str>) -> Self {
        let authorization = token.and_then(|token| {
            let mut value: MetadataValue<Ascii> = format!("Bearer {token}").try_into().ok()?;
            value.set_sensitive(true); // not shown by Debug, nor kept in tables of HTTP/2
            Some(value)
        });
        Self { authorization, incarnation: None }
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
        Ok(request)
    }
}

/// Returns a channel that connects at its first call, and again whenever the connection is gone.
/// Every call finds out for itself whether there is a daemon; none waits for one.
pub(crate) fn open(address: &Address, tls: Option<Tls>) -> Result<Channel> {
    let authority = match address {
        Address::Unix { .. } => "localhost".to_owned(),
        Address::Tcp { .. } => address.to_string(),
    };
    // The channel is not to see https, which it would want to do itself; the daemon is.
    let uri = |scheme: &str| {
        let uri = format!("{scheme}://{authority}").parse::<Uri>();
        uri.map_err(|error| Error::address(&address.to_string(), &error.to_string(), HOW_TO_REACH))
    };
    let endpoint = Endpoint::from(uri("http")?)
        .origin(uri(if tls.is_some() { "https" } else { "http" })?)
        .user_agent(concat!("hcsd-client-rust/", env!("CARGO_PKG_VERSION")))
        .map_err(|error| Error::new(crate::ErrorKind::Internal, error.to_string()))?
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let connector = Arc::new(Connector { address: address.clone(), tls });
    Ok(endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
        let connector = Arc::clone(&connector);
        async move { connector.connect().await }
    })))
}

/// No daemon answers at the address. Found again by its type in what tonic makes of it.
#[derive(Debug)]
pub(crate) struct Unreachable {
    address: Address,
    pub(crate) cause: Arc<io::Error>,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, cause } = self;
        write!(f, "cannot reach a daemon at {address}: {cause}; {HOW_TO_REACH}")
    }
}

impl error::Error for Unreachable {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.cause)
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

struct Connector {
    address: Address,
    tls: Option<Tls>,
}

impl Connector {
    async fn connect(&self) -> std::result::Result<TokioIo<Box<dyn Io>>, Unreachable> {
        let connected = timeout(CONNECT_TIMEOUT, self.try_connect()).await;
        let connected = connected.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, "it stays silent for 10 s"))
        });
        connected
            .map(TokioIo::new)
            .map_err(|error| Unreachable { address: self.address.clone(), cause: Arc::new(error) })
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
