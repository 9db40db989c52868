//! Servers with certificates of all sorts.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hallmonitor::probe::ProbeEnv;
use hallmonitor::probe::net::Tls;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use super::server::Server;

const DAY: Duration = Duration::from_secs(86_400);

/// An authority of the test's own.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// How a server's certificate is.
pub(crate) struct Certificate {
    pub(crate) name: &'static str,
    /// Days from now to its beginning and to its end, half a day later.
    pub(crate) days: (i64, i64),
}

impl Default for Certificate {
    fn default() -> Self {
        Self { name: "127.0.0.1", days: (-10, 365) }
    }
}

impl Certificate {
    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::new([self.name.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, format!("leaf of {}", self.name));
        params.not_before = from_now(self.days.0).into();
        params.not_after = (from_now(self.days.1) + DAY / 2).into();
        params
    }
}

#[allow(clippy::disallowed_methods, reason = "certificates of a test end relative to the real time")]
fn from_now(days: i64) -> SystemTime {
    let span = DAY * u32::try_from(days.unsigned_abs()).expect("few days");
    if days < 0 { SystemTime::now() - span } else { SystemTime::now() + span }
}

impl Authority {
    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority") }
    }

    /// Makes probes of these surroundings trust only this authority.
    pub(crate) fn trusted_in(&self, env: &ProbeEnv) {
        let roots = vec![self.issuer.der().clone()];
        env.shared.get_or_make(|| Tls::trusting(env.clock.clone(), roots));
    }

    /// A server with a certificate of this authority.
    pub(crate) async fn server(&self, certificate: &Certificate, answer: String) -> Server {
        let key = KeyPair::generate().expect("a key");
        let leaf = certificate.params().signed_by(&key, &self.issuer).expect("signs");
        serve(leaf.der().clone(), &key, answer).await
    }
}

/// A server that signed its own certificate.
pub(crate) async fn self_signed(certificate: &Certificate, answer: String) -> Server {
    let key = KeyPair::generate().expect("a key");
    let leaf = certificate.params().self_signed(&key).expect("signs");
    serve(leaf.der().clone(), &key, answer).await
}

async fn serve(leaf: CertificateDer<'static>, key: &KeyPair, answer: String) -> Server {
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)
        .expect("a certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Server::start("127.0.0.1", move |stream, heads| {
        let (acceptor, answer) = (acceptor.clone(), answer.clone());
        async move {
            // Refused certificates end the handshake here.
            if let Ok(mut stream) = acceptor.accept(stream).await {
                heads.read(&mut stream).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                // No goodbye of TLS: many servers leave it out.
                let _ = stream.get_mut().0.shutdown().await;
            }
        }
    })
    .await
}
