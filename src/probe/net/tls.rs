//! TLS handshakes. Each is a real one (no session is resumed), certificates are judged as this machine judges them,
//! and the server's certificate is kept even when it is refused, so that its end can be told.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, IpAddr, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, OtherError, RootCertStore,
    SignatureScheme,
};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificate::Certificate;
use super::dates::Dates;
use super::fault::{Fault, failure_of, plain};
use super::host::Host;
use crate::clock::Clock;
use crate::model::{Failure, UnixMicros};
use crate::probe::ProbeEnv;

/// The certificate that a server showed during one handshake, once it did.
#[derive(Debug, Clone, Default)]
pub struct Leaf(Arc<OnceLock<CertificateDer<'static>>>);

impl Leaf {
    /// What is told about it; none before it was shown, or when it cannot be read.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate> {
        Certificate::parse(self.0.get()?)
    }
}

#[derive(Debug)]
enum Roots {
    Platform,
    These(Vec<CertificateDer<'static>>),
}

/// Makes TLS connections. One is shared by all probes ([`Tls::shared`]); the certificates that this machine trusts are
/// read at the first handshake.
#[derive(Debug)]
pub struct Tls {
    clock: Arc<dyn Clock>,
    roots: Roots,
    base: OnceCell<Base>,
    dates: Arc<Dates>,
}

#[derive(Debug)]
struct Base {
    config: ClientConfig,
    verifier: Arc<dyn ServerCertVerifier>,
}

impl Tls {
    /// Trusts what this machine trusts.
    #[must_use]
    pub fn platform(clock: Arc<dyn Clock>) -> Self {
        Self::with(clock, Roots::Platform)
    }

    /// Trusts only what these certificates have signed.
    #[must_use]
    pub fn trusting(clock: Arc<dyn Clock>, roots: Vec<CertificateDer<'static>>) -> Self {
        Self::with(clock, Roots::These(roots))
    }

    fn with(clock: Arc<dyn Clock>, roots: Roots) -> Self {
        let dates = Arc::new(Dates::new(clock.clone()));
        Self { clock, roots, base: OnceCell::new(), dates }
    }

    /// The one of all probes: what was put into `env.shared` before, else with the machine's trust.
    #[must_use]
    pub fn shared(env: &ProbeEnv) -> Arc<Self> {
        env.shared.get_or_make(|| Self::platform(env.clock.clone()))
    }

    /// The time by which certificates are told about: this machine's, and where its clock was set lately, what it would
    /// say had nobody set it.
    #[must_use]
    pub fn now(&self) -> UnixMicros {
        self.dates.now()
    }

    /// Shakes hands, however long that takes. What the server shows is kept in `leaf`, whatever comes of it.
    ///
    /// # Errors
    /// `tls` when the handshake or the certificate fails, `connect` when the connection is reset, `secret` when this
    /// machine has no certificates to trust, `internal` when a certificate has ended only because the clock was set.
    pub async fn handshake(
        &self,
        stream: TcpStream,
        name: &ServerName<'static>,
        leaf: &Leaf,
    ) -> Result<TlsStream<TcpStream>, Fault> {
        let base = self.base.get_or_try_init(|| self.build()).await?;
        let mut config = base.config.clone();
        let recording = Recording { inner: base.verifier.clone(), leaf: leaf.clone(), dates: self.dates.clone() };
        config.dangerous().set_certificate_verifier(Arc::new(recording));
        let handshake = TlsConnector::from(Arc::new(config)).connect(name.clone(), stream);
        let stream = handshake.await.map_err(|error| self.explain(&error, name, leaf))?;
        self.dates.accepted();
        Ok(stream)
    }

    async fn build(&self) -> Result<Base, Fault> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Result<Arc<dyn ServerCertVerifier>, String> = match &self.roots {
            Roots::Platform => {
                let provider = provider.clone();
                // Reads some hundred files: not on the thread that all checks share.
                tokio::task::spawn_blocking(move || platform_verifier(provider))
                    .await
                    .unwrap_or_else(|error| Err(error.to_string()))
            }
            Roots::These(roots) => verifier_of(roots, provider.clone()),
        };
        let verifier = verifier.map_err(|why| {
            let words = format!("this machine's trusted certificates cannot be read: {why}; install ca-certificates");
            Fault::new(Failure::Secret, words)
        })?;
        let config = ClientConfig::builder_with_details(provider, Arc::new(WallTime(self.clock.clone())))
            .with_safe_default_protocol_versions()
            .map_err(|error| Fault::new(Failure::Internal, format!("TLS cannot be set up: {error}")))?;
        let mut config = config.dangerous().with_custom_certificate_verifier(verifier.clone()).with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Base { config, verifier })
    }

    fn explain(&self, error: &io::Error, name: &ServerName<'_>, leaf: &Leaf) -> Fault {
        let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
        let words = match cause {
            Some(TlsError::InvalidCertificate(CertificateError::Other(OtherError(why)))) if why.is::<ClockWasSet>() => {
                return Fault::new(Failure::Internal, why.to_string());
            }
            Some(TlsError::InvalidCertificate(why)) => refusal(why, leaf.certificate(), name, self.clock.wall()),
            Some(TlsError::AlertReceived(alert)) => {
                format!("TLS handshake failed: the server refused it with alert {alert:?}")
            }
            Some(TlsError::InvalidMessage(_)) => {
                "TLS handshake failed: the server does not answer in TLS; is this an http address?".to_owned()
            }
            Some(other) => format!("TLS handshake failed: {other}"),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                "TLS handshake failed: the server closed the connection".to_owned()
            }
            None => {
                let words = format!("the connection broke during the TLS handshake: {}", plain(error));
                return Fault::new(failure_of(error), words);
            }
        };
        Fault::new(Failure::Tls, words)
    }
}

/// The name under which a host is asked for its certificate (RFC 6066 section 3: without the dot at the end); none
/// where it cannot be one.
#[must_use]
pub fn server_name(host: &Host) -> Option<ServerName<'static>> {
    match host {
        Host::Ip(ip) => Some(ServerName::IpAddress(IpAddr::from(*ip))),
        Host::Name(name) => ServerName::try_from(name.strip_suffix('.').unwrap_or(name).to_owned()).ok(),
    }
}

fn platform_verifier(provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let verifier = rustls_platform_verifier::Verifier::new(provider).map_err(|error| error.to_string())?;
    Ok(Arc::new(verifier))
}

fn verifier_of(
    roots: &[CertificateDer<'static>],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).map_err(|error| error.to_string())?;
    }
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build();
    let verifier: Arc<dyn ServerCertVerifier> = built.map_err(|error| error.to_string())?;
    Ok(verifier)
}

/// Why a certificate was refused, in a sentence.
fn refusal(why: &CertificateError, certificate: Option<Certificate>, name: &ServerName<'_>, now: UnixMicros) -> String {
    let Some(certificate) = certificate else {
        return format!("the certificate was refused: {why}");
    };
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } if certificate.days_left(now) < 0 => {
            format!(
                "the certificate has expired on {} ({} days ago)",
                certificate.last_day(),
                -certificate.days_left(now)
            )
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate is not valid before {}", certificate.first_day())
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let names = if certificate.names.is_empty() { certificate.subject } else { certificate.names.join(", ") };
            format!("the certificate is for {names}, not for {}", name.to_str())
        }
        CertificateError::UnknownIssuer | CertificateError::Other(_) if certificate.is_self_signed() => {
            format!("the certificate is self-signed and not trusted on this machine ({})", certificate.subject)
        }
        CertificateError::UnknownIssuer => {
            format!("the certificate's issuer is not trusted on this machine ({})", certificate.issuer)
        }
        CertificateError::Revoked => "the certificate has been revoked".to_owned(),
        other => format!("the certificate was refused: {other}"),
    }
}

/// The certificate would be good had nobody set this machine's clock.
#[derive(Debug, Error)]
#[error("this machine's clock was set, so that certificate dates cannot be judged; see whether its date is right")]
struct ClockWasSet;

/// Keeps what the server shows, then judges as `inner` does.
#[derive(Debug)]
struct Recording {
    inner: Arc<dyn ServerCertVerifier>,
    leaf: Leaf,
    dates: Arc<Dates>,
}

impl ServerCertVerifier for Recording {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        // Set once: a handshake shows one certificate.
        let _ = self.leaf.0.set(end_entity.clone().into_owned());
        let judge = |now| self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let judged = judge(now);
        if judged.as_ref().is_err_and(is_by_date)
            && let Some(expected) = self.dates.expected().and_then(unix_time)
            && judge(expected).is_ok()
        {
            let why = OtherError(Arc::new(ClockWasSet));
            return Err(TlsError::InvalidCertificate(CertificateError::Other(why)));
        }
        judged
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Whether a certificate was refused for its dates, or those of one above it.
fn is_by_date(error: &TlsError) -> bool {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    let TlsError::InvalidCertificate(why) = error else { return false };
    matches!(why, Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. })
}

fn unix_time(time: UnixMicros) -> Option<UnixTime> {
    let micros = u64::try_from(time.micros()).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_micros(micros)))
}

/// The injected wall clock, for dates in certificates.
#[derive(Debug)]
struct WallTime(Arc<dyn Clock>);

impl TimeProvider for WallTime {
    fn current_time(&self) -> Option<UnixTime> {
        unix_time(self.0.wall())
    }
}
