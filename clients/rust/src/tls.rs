//! TLS: from files to what a connection needs, and the token that goes over it.

use std::{
    fmt::Display,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::fs;
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{Address, Error, ErrorKind, Result, address::variable};

/// How to connect by TLS.
pub(crate) type Tls = Arc<ClientConfig>;

/// Files for TLS, all PEM.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsFiles {
    pub(crate) wanted: Option<bool>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

impl TlsFiles {
    /// Fills in what the environment names.
    pub(crate) fn or_env(self) -> Self {
        let file = |name| variable(name).map(PathBuf::from);
        Self {
            wanted: self.wanted,
            ca: self.ca.or_else(|| file("HCSD_TLS_CA")),
            cert: self.cert.or_else(|| file("HCSD_TLS_CERT")),
            key: self.key.or_else(|| file("HCSD_TLS_KEY")),
        }
    }

    /// Returns how to connect; none if TLS is not asked for.
    pub(crate) async fn read(&self) -> Result<Option<Tls>> {
        if self.wanted == Some(false) {
            return Ok(None);
        }
        if self.cert.is_some() != self.key.is_some() {
            let (has, lacks) =
                if self.cert.is_some() { ("certificate", "key") } else { ("key", "certificate") };
            return Err(tls_error(format!(
                "there is a client {has} for TLS, and no {lacks} to it"
            )));
        }
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(file) => {
                for certificate in read_certificates(file).await? {
                    roots.add(certificate).map_err(|error| bad_file(file, &error))?;
                }
            }
            None if self.wanted == Some(true) || self.cert.is_some() => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    return Err(tls_error("this system has no root certificates".to_owned()));
                }
            }
            None => return Ok(None),
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| tls_error(error.to_string()))?
            .with_root_certificates(roots);
        let mut config = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                let chain = read_certificates(cert).await?;
                let data = read_file(key).await?;
                let secret =
                    PrivateKeyDer::from_pem_slice(&data).map_err(|error| bad_file(key, &error))?;
                config
                    .with_client_auth_cert(chain, secret)
                    .map_err(|error| bad_file(key, &error))?
            }
            _ => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Some(Arc::new(config)))
    }
}

/// Returns what may mend a connection that failed by TLS; none if it failed otherwise.
pub(crate) fn remedy(error: &io::Error) -> Option<&'static str> {
    Some(match error.get_ref()?.downcast_ref()? {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "use a name that its certificate is for, or have it made with this one",
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => "look at its dates, and at the clock here",
        rustls::Error::InvalidCertificate(_) => {
            "name the CA of its certificate in the client's builder or HCSD_TLS_CA"
        }
        rustls::Error::InvalidMessage(_) => {
            "it does not speak TLS: leave out the files for it, or give the daemon a certificate"
        }
        _ => "see what the daemon says of it in its log",
    })
}

/// Reads the token for a daemon at this address, which must not leave this machine in clear.
pub(crate) async fn read_token(file: &Path, address: &Address, tls: bool) -> Result<String> {
    if !tls && !address.is_loopback() {
        return Err(Error::new(
            ErrorKind::TokenFile,
            format!(
                "will not send the token to {address} in clear: name the CA of the daemon's \
                 certificate in the client's builder or HCSD_TLS_CA; or make a tunnel, and use its \
                 local end"
            ),
        ));
    }
    let shown = file.display();
    let data = fs::read(file).await.map_err(|error| {
        let message = format!("cannot read the token file '{shown}': {error}");
        Error::new(ErrorKind::TokenFile, message)
    })?;
    let token = String::from_utf8(data).unwrap_or_default();
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!(
            "the token file '{shown}' does not hold a token; name the file that the daemon made, \
             in the client's builder or HCSD_TOKEN_FILE"
        );
        return Err(Error::new(ErrorKind::TokenFile, message));
    }
    Ok(token.to_owned())
}

async fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let data = read_file(file).await?;
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&data).collect();
    let found = found.map_err(|error| bad_file(file, &error))?;
    if found.is_empty() {
        return Err(bad_file(file, &"it holds no certificate in PEM form"));
    }
    Ok(found)
}

async fn read_file(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).await.map_err(|error| bad_file(file, &error))
}

fn bad_file(file: &Path, problem: &dyn Display) -> Error {
    tls_error(format!("cannot use '{}' for TLS: {problem}", file.display()))
}

fn tls_error(message: String) -> Error {
    Error::new(ErrorKind::Tls, message)
}
