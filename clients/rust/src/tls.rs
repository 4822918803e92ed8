//! TLS: from files to what a connection needs, and the token that goes over it.

use std::{borrow::Cow, fmt::Display, io, path::Path, sync::Arc};

use tokio::fs;
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{Error, ErrorKind, Result, security::Files};

/// What may mend a connection that the daemon has ended.
pub(crate) const ANOTHER_CERTIFICATE: &str = "it may want another certificate of this client: \
     name one in the client's builder, or HCSD_TLS_CERT and HCSD_TLS_KEY";

/// How to connect by TLS.
pub(crate) type Tls = Arc<ClientConfig>;

impl Files {
    /// Reads what TLS needs.
    pub(crate) async fn read_tls(&self) -> Result<Tls> {
        if self.cert.is_some() != self.key.is_some() {
            let (has, lacks) =
                if self.cert.is_some() { ("certificate", "key") } else { ("key", "certificate") };
            return Err(tls_error(format!(
                "there is a client {has} for TLS, and no {lacks} to it: name both in the client's \
                 builder, or HCSD_TLS_CERT and HCSD_TLS_KEY"
            )));
        }
        let mut roots = RootCertStore::empty();
        if let Some(file) = &self.ca {
            for certificate in read_certificates(file).await? {
                roots.add(certificate).map_err(|error| bad_file(file, &error))?;
            }
        } else {
            // Without any, no daemon is trusted; the error of the connection says what to do.
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
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
        Ok(Arc::new(config))
    }
}

/// Returns what may mend a connection that failed by TLS; none if it failed otherwise.
pub(crate) fn remedy(error: &io::Error, ca: Option<&Path>) -> Option<Cow<'static, str>> {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Some(ANOTHER_CERTIFICATE.into());
    }
    let found = match error.get_ref()?.downcast_ref()? {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "use a name that its certificate is for, or have it made with this one",
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => "look at its dates, and at the clock here",
        rustls::Error::InvalidCertificate(_) => return Some(untrusted(ca)),
        rustls::Error::InvalidMessage(_) => {
            "it does not speak TLS, as every daemon does over TCP: another program may listen there"
        }
        rustls::Error::AlertReceived(_) => ANOTHER_CERTIFICATE,
        _ => "see what the daemon says of it in its log",
    };
    Some(found.into())
}

fn untrusted(ca: Option<&Path>) -> Cow<'static, str> {
    let Some(ca) = ca else {
        return "copy the daemon's server.pem to this machine, and name it in the client's builder or \
                HCSD_TLS_CA"
            .into();
    };
    let ca = ca.display();
    format!(
        "no CA in '{ca}' vouches for who listens there, which may be another program; if it is your \
         daemon, copy its present server.pem to that file"
    )
    .into()
}

/// Reads the token.
pub(crate) async fn read_token(file: &Path) -> Result<String> {
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
