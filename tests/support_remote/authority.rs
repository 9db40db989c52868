//! An authority of our own and the certificates that it signs.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

const DAY: Duration = Duration::from_secs(86_400);

/// An authority with its certificate in a file.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, issuer.pem()).expect("writes");
        Self { issuer, file, _folder: folder }
    }

    /// A certificate that is made out to a name and ends so many days from now, and its key.
    #[allow(clippy::disallowed_methods, reason = "certificates of a test end relative to the real time")]
    pub fn signs(&self, name: &str, ends_in_days: i32) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_before = (SystemTime::now() - DAY * 100).into();
        let ends = SystemTime::now() + DAY * 100 - DAY * u32::try_from(100 - ends_in_days).expect("few days");
        params.not_after = ends.into();
        let leaf = params.signed_by(&key, &self.issuer).expect("signs");
        (leaf.pem(), key.serialize_pem())
    }
}
