use std::{io, path::Path};

use tokio_rustls::rustls::{self, CertificateError};
use tonic::Code;

use super::server::{Script, Server, failure};
use crate::{Client, ErrorKind, tls::remedy};

#[tokio::test]
async fn whoever_does_not_speak_tls_is_not_spoken_to() {
    let server = Server::start(Script::default()).await;
    let client = Client::builder().address(&server.address).connect().await.unwrap();
    let error = client.create(["true"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DaemonUnreachable);
    assert!(error.to_string().contains("it does not speak TLS"), "{error}");
    assert_eq!(server.script.calls(), 0);
}

#[tokio::test]
async fn who_is_not_let_in_is_told_what_was_sent() {
    let server = Server::start(Script::default()).await;
    let client = server.client(0).await;
    *server.script.failures.lock().unwrap() =
        [failure(Code::Unauthenticated, "TOKEN_MISSING", &[])].into();
    let error = client.create(["true"]).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthenticated, "TOKEN_MISSING"));
    let wanted = "says the test; this client sent no token and no certificate";
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn a_certificate_that_nobody_vouches_for_comes_with_the_file_and_what_to_do() {
    let stranger = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    let stranger = io::Error::other(stranger);
    for (ca, said) in [
        (Some(Path::new("/me/server.pem")), "no CA in '/me/server.pem'"),
        (None, "name it in the client's builder or HCSD_TLS_CA"),
    ] {
        let found = remedy(&stranger, ca).unwrap();
        assert!(found.contains(said), "no '{said}' in: {found}");
    }
}
