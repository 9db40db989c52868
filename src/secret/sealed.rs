//! The encrypted file: all its secrets in one piece, under a key that Argon2id makes of a passphrase.
//!
//! ```text
//! "HMVAULT" version:u8  memory:u32 passes:u32 lanes:u32  salt:16 check:16 nonce:24   76 bytes, authenticated
//! names and secrets, by XChaCha20-Poly1305, with its tag of 16 bytes
//! crc32c:u32 of all before it
//! ```
//! Numbers are little-endian. The checksum tells a file that was damaged from a passphrase that is wrong, and `check`,
//! a part of Argon2's output that is not the key, tells that the passphrase is right before anything is decrypted. Each
//! write takes a new nonce, puts a whole new file in the place of the old one, and happens under the folder's lock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::AeadInPlace as _;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use secrecy::zeroize::Zeroizing;

use super::chain::Link;
use super::passphrase::Passphrase;
use super::{ExposeSecret, Place, SecretString, VaultError, private};

const MAGIC: &[u8; 7] = b"HMVAULT";
const VERSION: u8 = 1;
const HEAD: usize = 76;
const SUM: usize = 4;

/// Largest file, in bytes.
const LIMIT: u64 = 16 * 1024 * 1024;

/// What making a key costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    /// In KiB.
    memory: u32,
    passes: u32,
    lanes: u32,
}

/// RFC 9106's choice for where memory is scarce, with one lane.
const COST: Cost = Cost { memory: 64 * 1024, passes: 3, lanes: 1 };

impl Cost {
    /// A head that was tampered with must not take all memory or all day.
    fn is_bearable(self) -> bool {
        self.memory <= 1024 * 1024 && self.passes <= 64 && self.lanes <= 16
    }
}

/// What stands before the secrets.
#[derive(Debug, Clone, Copy)]
struct Head {
    cost: Cost,
    salt: [u8; 16],
    check: [u8; 16],
    nonce: [u8; 24],
}

impl Head {
    fn to_bytes(self) -> [u8; HEAD] {
        let mut bytes = Vec::with_capacity(HEAD);
        bytes.extend(MAGIC);
        bytes.push(VERSION);
        for number in [self.cost.memory, self.cost.passes, self.cost.lanes] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.salt);
        bytes.extend(self.check);
        bytes.extend(self.nonce);
        let mut head = [0; HEAD];
        head.copy_from_slice(&bytes);
        head
    }

    /// Takes a whole file apart: the head, and what is encrypted.
    fn of(file: &[u8]) -> Result<(Self, &[u8]), String> {
        let Some(inner) = file.len().checked_sub(SUM).filter(|inner| *inner >= HEAD) else {
            return Err("it is cut off".to_owned());
        };
        let (whole, sum) = file.split_at(inner);
        if !whole.starts_with(MAGIC) {
            return Err("it is no encrypted file of Hall Monitor".to_owned());
        }
        if whole[MAGIC.len()] != VERSION {
            return Err(format!("it is of version {}, which this version does not read", whole[MAGIC.len()]));
        }
        if crc32c::crc32c(whole).to_le_bytes() != sum {
            return Err("its checksum is wrong".to_owned());
        }
        let mut rest = &whole[MAGIC.len() + 1..];
        let mut number = || u32::from_le_bytes(take(&mut rest));
        let cost = Cost { memory: number(), passes: number(), lanes: number() };
        if !cost.is_bearable() {
            return Err("its key would cost too much".to_owned());
        }
        let head = Self { cost, salt: take(&mut rest), check: take(&mut rest), nonce: take(&mut rest) };
        Ok((head, rest))
    }
}

/// Takes the first bytes; zeroes where there are not as many.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let Some((first, after)) = rest.split_first_chunk() else { return [0; N] };
    *rest = after;
    *first
}

/// A key, and what it was made with.
struct Key {
    cost: Cost,
    salt: [u8; 16],
    check: [u8; 16],
    key: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

impl Key {
    fn make(passphrase: &SecretString, cost: Cost, salt: [u8; 16]) -> Result<Self, String> {
        let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(48)).map_err(|error| error.to_string())?;
        let mut output = Zeroizing::new([0; 48]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose_secret().as_bytes(), &salt, &mut *output)
            .map_err(|error| error.to_string())?;
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&output[..32]);
        let mut check = [0; 16];
        check.copy_from_slice(&output[32..]);
        Ok(Self { cost, salt, check, key })
    }

    fn fits(&self, head: &Head) -> bool {
        (self.cost, self.salt, self.check) == (head.cost, head.salt, head.check)
    }
}

type Secrets = BTreeMap<String, SecretString>;

/// The encrypted file.
#[derive(Debug)]
pub(super) struct Sealed {
    path: PathBuf,
    passphrase: Passphrase,
    /// Making it takes a while: it is made once.
    key: Mutex<Option<Key>>,
}

impl Sealed {
    pub(super) fn new(folder: &Path, passphrase: Passphrase) -> Self {
        Self { path: folder.join("secrets.sealed"), passphrase, key: Mutex::new(None) }
    }

    fn damaged(&self, why: impl Into<String>) -> VaultError {
        VaultError::Damaged { path: self.path.clone(), why: why.into() }
    }

    fn unusable(&self, why: &dyn ToString) -> VaultError {
        let why = format!("{}: {}", self.path.display(), why.to_string());
        VaultError::Unavailable { place: Place::File, why }
    }

    fn key(&self) -> MutexGuard<'_, Option<Key>> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the file holds; none where there is no file. Leaves its key behind.
    fn open(&self, may_ask: bool) -> Result<Option<Secrets>, VaultError> {
        let file = private::read(&self.path, LIMIT).map_err(|error| self.unusable(&error))?;
        let Some(file) = file else { return Ok(None) };
        let (head, encrypted) = Head::of(&file).map_err(|why| self.damaged(why))?;
        let mut known = self.key();
        let key = match known.take().filter(|key| key.fits(&head)) {
            Some(key) => key,
            None => {
                let passphrase = self.passphrase.get(&self.path, may_ask, false)?;
                Key::make(&passphrase, head.cost, head.salt).map_err(|why| self.damaged(why))?
            }
        };
        if !key.fits(&head) {
            return Err(VaultError::WrongPassphrase { path: self.path.clone() });
        }
        let mut plain = Zeroizing::new(encrypted.to_vec());
        XChaCha20Poly1305::new((&*key.key).into())
            .decrypt_in_place(XNonce::from_slice(&head.nonce), &head.to_bytes(), &mut *plain)
            .map_err(|_| self.damaged("what it holds was changed"))?;
        *known = Some(key);
        let pairs: Vec<(&str, &str)> =
            postcard::from_bytes(&plain).map_err(|_| self.damaged("what it holds cannot be read"))?;
        Ok(Some(pairs.into_iter().map(|(name, secret)| (name.to_owned(), SecretString::from(secret))).collect()))
    }

    /// Sees to it that there is a key: that of the file, or a new one where there is no file.
    fn need_key(&self, may_ask: bool) -> Result<(), VaultError> {
        if self.open(may_ask)?.is_none() && self.key().is_none() {
            let passphrase = self.passphrase.get(&self.path, may_ask, true)?;
            if passphrase.expose_secret().is_empty() {
                return Err(VaultError::NoPassphrase { path: self.path.clone() });
            }
            let mut salt = [0; 16];
            getrandom::fill(&mut salt).map_err(|error| self.unusable(&error))?;
            *self.key() = Some(Key::make(&passphrase, COST, salt).map_err(|why| self.unusable(&why))?);
        }
        Ok(())
    }

    /// Changes what the file holds. A person is asked before the folder is locked.
    fn change<T>(&self, may_ask: bool, change: impl FnOnce(&mut Secrets) -> T) -> Result<T, VaultError> {
        self.need_key(may_ask)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let _lock = private::lock(folder).map_err(|error| self.unusable(&error))?;
        let mut secrets = self.open(may_ask)?.unwrap_or_default();
        let done = change(&mut secrets);
        let file = self.seal(&secrets)?;
        private::replace(&self.path, &file).map_err(|error| self.unusable(&error))?;
        Ok(done)
    }

    fn seal(&self, secrets: &Secrets) -> Result<Vec<u8>, VaultError> {
        let known = self.key();
        let key = known.as_ref().ok_or_else(|| VaultError::NoPassphrase { path: self.path.clone() })?;
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(|error| self.unusable(&error))?;
        let head = Head { cost: key.cost, salt: key.salt, check: key.check, nonce };
        let pairs: Vec<(&str, &str)> =
            secrets.iter().map(|(name, secret)| (name.as_str(), secret.expose_secret())).collect();
        // Large enough from the start: growing would leave a copy behind.
        let most: usize = pairs.iter().map(|(name, secret)| name.len() + secret.len() + 20).sum();
        let mut plain = Zeroizing::new(vec![0; most + 20]);
        let length = postcard::to_slice(&pairs, &mut plain).map_err(|error| self.unusable(&error))?.len();
        plain.truncate(length);
        plain.reserve_exact(16);
        XChaCha20Poly1305::new((&*key.key).into())
            .encrypt_in_place(XNonce::from_slice(&nonce), &head.to_bytes(), &mut *plain)
            .map_err(|error| self.unusable(&error))?;
        let mut file = head.to_bytes().to_vec();
        file.extend(&*plain);
        file.extend(crc32c::crc32c(&file).to_le_bytes());
        Ok(file)
    }
}

impl Link for Sealed {
    fn place(&self) -> Place {
        Place::File
    }

    fn get(&self, name: &str, may_ask: bool) -> Result<SecretString, VaultError> {
        let found = self.open(may_ask)?.and_then(|mut secrets| secrets.remove(name));
        found.ok_or_else(|| VaultError::Missing { name: name.to_owned() })
    }

    fn set(&self, name: &str, secret: &SecretString, may_ask: bool) -> Result<(), VaultError> {
        self.change(may_ask, |secrets| secrets.insert(name.to_owned(), secret.clone())).map(drop)
    }

    fn forget(&self, name: &str, may_ask: bool) -> Result<bool, VaultError> {
        match self.open(may_ask)? {
            Some(secrets) if secrets.contains_key(name) => {
                self.change(may_ask, |secrets| secrets.remove(name).is_some())
            }
            _ => Ok(false),
        }
    }

    fn look(&self, may_ask: bool) -> Result<(), VaultError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        private::lock(folder).map_err(|error| self.unusable(&error))?;
        match self.open(may_ask)? {
            Some(_) => Ok(()),
            None if self.passphrase.is_at_hand() => self.passphrase.get(&self.path, false, true).map(drop),
            None => Err(VaultError::NoPassphrase { path: self.path.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(folder: &Path, passphrase: Option<&str>) -> Sealed {
        let value = passphrase.map(SecretString::from);
        Sealed::new(folder, Passphrase { value, ..Passphrase::default() })
    }

    fn secret(link: &Sealed, name: &str) -> Result<String, VaultError> {
        link.get(name, false).map(|secret| secret.expose_secret().to_owned())
    }

    #[test]
    fn keeps_over_restarts_and_forgets() {
        let folder = tempfile::tempdir().expect("folder");
        let first = sealed(folder.path(), Some("open sesame"));
        assert!(secret(&first, "a").is_err_and(|error| error.is_missing()));
        first.set("a", &"hunter2 \u{1f511}".into(), false).expect("set");
        first.set("b", &"".into(), false).expect("set");
        let again = sealed(folder.path(), Some("open sesame"));
        assert_eq!(secret(&again, "a").as_deref(), Ok("hunter2 \u{1f511}"));
        assert_eq!(secret(&again, "b").as_deref(), Ok(""));
        assert_eq!(again.forget("a", false), Ok(true));
        assert_eq!(again.forget("a", false), Ok(false));
        assert!(secret(&first, "a").is_err_and(|error| error.is_missing()));
        let bytes = std::fs::read(&first.path).expect("there");
        assert!(!bytes.windows(7).any(|part| part == b"hunter2"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&first.path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_wrong_passphrase_a_missing_one_and_a_damaged_file_are_told_apart() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("secrets.sealed");
        let right = sealed(folder.path(), Some("right"));
        right.set("a", &"hunter2".into(), false).expect("set");
        let wrong = sealed(folder.path(), Some("wrong"));
        assert_eq!(secret(&wrong, "a"), Err(VaultError::WrongPassphrase { path: path.clone() }));
        assert_eq!(
            wrong.set("a", &"other".into(), false),
            Err(VaultError::WrongPassphrase { path: path.clone() }),
            "nothing is written under another key"
        );
        let none = sealed(folder.path(), None);
        assert_eq!(secret(&none, "a"), Err(VaultError::NoPassphrase { path: path.clone() }));
        assert_eq!(secret(&right, "a").as_deref(), Ok("hunter2"));

        let whole = std::fs::read(&path).expect("there");
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x40;
            std::fs::write(&path, damaged).expect("written");
            let error = secret(&right, "a").expect_err("damaged");
            assert!(matches!(error, VaultError::Damaged { .. }), "byte {at}: {error}");
        }
        for length in [0, 7, 8, 75, 80, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).expect("written");
            assert!(matches!(secret(&right, "a"), Err(VaultError::Damaged { .. })), "{length} bytes");
        }
    }

    #[test]
    fn a_file_with_a_right_checksum_that_was_changed_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let right = sealed(folder.path(), Some("right"));
        right.set("a", &"hunter2".into(), false).expect("set");
        let whole = std::fs::read(&right.path).expect("there");
        let with_sum = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = whole[..whole.len() - SUM].to_vec();
            change(&mut bytes);
            let sum = crc32c::crc32c(&bytes);
            bytes.extend(sum.to_le_bytes());
            std::fs::write(&right.path, bytes).expect("written");
            secret(&right, "a").expect_err("changed")
        };
        for at in [HEAD - 1, HEAD, whole.len() - SUM - 1] {
            let error = with_sum(&|bytes| bytes[at] ^= 1);
            assert!(matches!(error, VaultError::Damaged { .. }), "byte {at}: {error}");
        }
        // A cost that would take all memory.
        let error = with_sum(&|bytes| bytes[11] = 0xff);
        assert!(error.to_string().contains("cost too much"), "{error}");
        let error = with_sum(&|bytes| bytes[7] = 2);
        assert!(error.to_string().contains("version 2"), "{error}");
    }

    #[test]
    fn two_writers_lose_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        sealed(folder.path(), Some("p")).set("first", &"0".into(), false).expect("set");
        std::thread::scope(|scope| {
            for writer in 0..2 {
                let link = sealed(folder.path(), Some("p"));
                scope.spawn(move || {
                    for n in 0..5 {
                        link.set(&format!("{writer}.{n}"), &"x".into(), false).expect("set");
                    }
                });
            }
        });
        let all = sealed(folder.path(), Some("p")).open(false).expect("opens").expect("there");
        assert_eq!(all.len(), 11);
    }

    #[test]
    fn the_passphrase_may_stand_in_a_file() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("credential");
        std::fs::write(&file, "open sesame\n").expect("written");
        sealed(folder.path(), Some("open sesame")).set("a", &"x".into(), false).expect("set");
        let by_file =
            |path: PathBuf| Sealed::new(folder.path(), Passphrase { file: Some(path), ..Passphrase::default() });
        assert_eq!(secret(&by_file(file.clone()), "a").as_deref(), Ok("x"));
        let gone = secret(&by_file(folder.path().join("nowhere")), "a");
        assert!(matches!(gone, Err(VaultError::PassphraseFile { .. })), "{gone:?}");
        std::fs::write(&file, "\n").expect("written");
        let empty = secret(&by_file(file), "a");
        assert!(matches!(empty, Err(VaultError::PassphraseFile { .. })), "{empty:?}");
    }
}
