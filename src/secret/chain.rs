//! The places in order, and which of them a secret is in.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::keychain::Keychain;
use super::names::Names;
use super::passphrase::Passphrase;
use super::sealed::Sealed;
use super::{Known, Place, SecretString, Unlocked, Unlocking, Vault, VaultError, check_name};
use crate::model::UnixMicros;

/// One place of the chain. `may_ask` says whether a person is there who can be asked to unlock it.
pub(super) trait Link: Debug + Send + Sync {
    fn place(&self) -> Place;

    fn get(&self, name: &str, may_ask: bool) -> Result<SecretString, VaultError>;

    fn set(&self, name: &str, secret: &SecretString, may_ask: bool) -> Result<(), VaultError>;

    /// Tells whether there was such a secret.
    fn forget(&self, name: &str, may_ask: bool) -> Result<bool, VaultError>;

    /// Proves that it can be written to.
    fn look(&self, may_ask: bool) -> Result<(), VaultError>;

    /// Asks a person to unlock it, where it can be locked and shows a question of its own.
    fn unlock(&self, _unlocking: &Unlocking) -> Result<Unlocked, VaultError> {
        Ok(Unlocked::Open)
    }
}

/// What a person may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asking {
    /// Nothing: nobody is there, or nobody expects a question. What is locked stays so.
    Nothing,
    /// The passphrase of the encrypted file, at the terminal.
    Passphrase,
    /// That, and whatever the keychain wants to know before it unlocks.
    Everything,
}

/// Where a secret went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The place that has it now.
    pub place: Place,
    /// Stronger places that are not there, and why.
    pub passed: Vec<VaultError>,
    /// Why an older secret of this name is still in the place where it was.
    pub left: Option<VaultError>,
}

/// What a look at a place says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Which place.
    pub place: Place,
    /// Why it cannot keep a secret now; none when it can.
    pub fault: Option<VaultError>,
}

/// The vault of this machine: keychain, kernel, encrypted file. The module's head says how they follow each other.
#[derive(Debug)]
pub struct Chain {
    links: Vec<Box<dyn Link>>,
    names: Names,
    asking: Mutex<Asking>,
    /// Tells the time, where somebody can.
    now: Option<Now>,
}

/// Tells the time.
struct Now(Box<dyn Fn() -> UnixMicros + Send + Sync>);

impl Debug for Now {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Now")
    }
}

impl Chain {
    /// The places of this machine; those that need a folder have it in the data folder. Nothing is opened before it is
    /// needed.
    #[must_use]
    pub fn new(data_dir: &Path, passphrase: Passphrase, asking: Asking) -> Self {
        let folder = data_dir.join("vault");
        let links: Vec<Box<dyn Link>> = vec![
            Box::new(Keychain::default()),
            #[cfg(target_os = "linux")]
            Box::new(super::kernel::Kernel),
            Box::new(Sealed::new(&folder, passphrase)),
        ];
        Self { links, names: Names::new(&folder), asking: Mutex::new(asking), now: None }
    }

    /// The same, which notes when a secret was set.
    #[must_use]
    pub fn dated(mut self, now: impl Fn() -> UnixMicros + Send + Sync + 'static) -> Self {
        self.now = Some(Now(Box::new(now)));
        self
    }

    /// What a person may be asked from now on.
    pub fn ask(&self, asking: Asking) {
        *self.asking.lock().unwrap_or_else(PoisonError::into_inner) = asking;
    }

    fn may_ask(&self, place: Place) -> bool {
        let asking = *self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking >= if place == Place::File { Asking::Passphrase } else { Asking::Everything }
    }

    fn link(&self, place: Place) -> Result<&dyn Link, VaultError> {
        let found = self.links.iter().find(|link| link.place() == place);
        let absent = || VaultError::Absent { place, why: "this system has none".to_owned() };
        found.map(|link| &**link).ok_or_else(absent)
    }

    /// Keeps a secret, in the strongest place that is there or in the one that is named, and forgets what another place
    /// held under that name.
    ///
    /// # Errors
    /// No place is there, or the one that is cannot be used now.
    pub fn keep(&self, name: &str, secret: &SecretString, place: Option<Place>) -> Result<Kept, VaultError> {
        check_name(name)?;
        let before = self.names.place(name)?;
        let mut passed = Vec::new();
        let place = match place {
            Some(place) => {
                self.link(place)?.set(name, secret, self.may_ask(place))?;
                place
            }
            None => self.keep_in_strongest(name, secret, &mut passed)?,
        };
        self.names.note(name, Some(place), self.now.as_ref().map(|now| (now.0)()))?;
        let old = before.filter(|old| *old != place);
        let left = old.and_then(|old| self.link(old).and_then(|link| link.forget(name, self.may_ask(old))).err());
        Ok(Kept { place, passed, left: left.filter(|error| !error.is_absent()) })
    }

    fn keep_in_strongest(
        &self,
        name: &str,
        secret: &SecretString,
        passed: &mut Vec<VaultError>,
    ) -> Result<Place, VaultError> {
        for link in &self.links {
            match link.set(name, secret, self.may_ask(link.place())) {
                Ok(()) => return Ok(link.place()),
                Err(error) if error.is_absent() => passed.push(error),
                Err(error) => return Err(error),
            }
        }
        // The encrypted file is always there, so that this is not reached with the places of `new`.
        Err(passed.pop().unwrap_or_else(|| VaultError::Missing { name: name.to_owned() }))
    }

    /// Forgets a secret wherever it is; tells whether it was anywhere.
    ///
    /// # Errors
    /// The place that has it, or may have it, cannot be used.
    pub fn drop_secret(&self, name: &str) -> Result<bool, VaultError> {
        check_name(name)?;
        if let Some(place) = self.names.place(name)? {
            self.link(place)?.forget(name, self.may_ask(place))?;
            self.names.note(name, None, None)?;
            return Ok(true);
        }
        let mut was_there = false;
        let mut fault = None;
        for link in &self.links {
            match link.forget(name, self.may_ask(link.place())) {
                Ok(there) => was_there |= there,
                Err(error) if error.is_absent() => {}
                Err(error) => fault = fault.or(Some(error)),
            }
        }
        match fault {
            Some(fault) if !was_there => Err(fault),
            _ => Ok(was_there),
        }
    }

    /// The names that were set here, with their places.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn names(&self) -> Result<BTreeMap<String, Place>, VaultError> {
        self.names.all()
    }

    /// Where a secret is, as far as is known without reading it.
    ///
    /// # Errors
    /// It is not known.
    pub fn place_of(&self, name: &str) -> Result<Place, VaultError> {
        check_name(name)?;
        self.names.place(name)?.ok_or_else(|| VaultError::Missing { name: name.to_owned() })
    }

    /// Looks at every place by writing to it.
    #[must_use]
    pub fn look(&self) -> Vec<Look> {
        let look = |link: &dyn Link| Look { place: link.place(), fault: link.look(self.may_ask(link.place())).err() };
        self.links.iter().map(|link| look(&**link)).collect()
    }

    /// Asks the places in order for a name that is not known here. One that cannot be used may have it: that is told
    /// where no other has.
    fn search(&self, name: &str) -> Result<SecretString, VaultError> {
        let mut fault = None;
        for link in &self.links {
            match link.get(name, self.may_ask(link.place())) {
                Ok(secret) => return Ok(secret),
                Err(error) if error.is_missing() || error.is_absent() => {}
                Err(error) => fault = fault.or(Some(error)),
            }
        }
        Err(fault.unwrap_or_else(|| VaultError::Missing { name: name.to_owned() }))
    }
}

impl Vault for Chain {
    fn get(&self, name: &str) -> Result<SecretString, VaultError> {
        check_name(name)?;
        let Some(place) = self.names.place(name)? else { return self.search(name) };
        match self.link(place)?.get(name, self.may_ask(place)) {
            Err(VaultError::Missing { name }) if place.is_lost_at_restart() => Err(VaultError::Lost { name }),
            got => got,
        }
    }

    fn set(&self, name: &str, secret: SecretString) -> Result<(), VaultError> {
        self.keep(name, &secret, None).map(drop)
    }

    fn forget(&self, name: &str) -> Result<(), VaultError> {
        self.drop_secret(name).map(drop)
    }

    fn keep(&self, name: &str, secret: SecretString, place: Option<Place>) -> Result<Kept, VaultError> {
        Self::keep(self, name, &secret, place)
    }

    fn known(&self) -> Result<BTreeMap<String, Known>, VaultError> {
        self.names.known()
    }

    fn look(&self) -> Vec<Look> {
        Self::look(self)
    }

    fn unlock(&self, unlocking: &Unlocking) -> Result<Unlocked, VaultError> {
        self.link(Place::Service)?.unlock(unlocking)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{ExposeSecret, MemoryVault};
    use super::*;

    /// A place that works, or fails in one way.
    #[derive(Debug)]
    struct Fake {
        place: Place,
        fault: Arc<Mutex<Option<VaultError>>>,
        holds: MemoryVault,
    }

    impl Fake {
        fn check(&self) -> Result<(), VaultError> {
            self.fault.lock().expect("lock").clone().map_or(Ok(()), Err)
        }
    }

    impl Link for Fake {
        fn place(&self) -> Place {
            self.place
        }

        fn get(&self, name: &str, _: bool) -> Result<SecretString, VaultError> {
            self.check().and_then(|()| self.holds.get(name))
        }

        fn set(&self, name: &str, secret: &SecretString, _: bool) -> Result<(), VaultError> {
            self.check().and_then(|()| self.holds.set(name, secret.clone()))
        }

        fn forget(&self, name: &str, _: bool) -> Result<bool, VaultError> {
            self.check()?;
            let there = self.holds.get(name).is_ok();
            self.holds.forget(name).map(|()| there)
        }

        fn look(&self, _: bool) -> Result<(), VaultError> {
            self.check()
        }
    }

    struct Rig {
        chain: Chain,
        faults: Vec<Arc<Mutex<Option<VaultError>>>>,
        _folder: tempfile::TempDir,
    }

    impl Rig {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("folder");
            let (mut links, mut faults): (Vec<Box<dyn Link>>, Vec<_>) = (Vec::new(), Vec::new());
            for place in [Place::Service, Place::Kernel, Place::File] {
                let fault = Arc::new(Mutex::new(None));
                faults.push(Arc::clone(&fault));
                links.push(Box::new(Fake { place, fault, holds: MemoryVault::default() }));
            }
            let names = Names::new(&folder.path().join("vault"));
            Self {
                chain: Chain { links, names, asking: Mutex::new(Asking::Nothing), now: None }.dated(|| at(7)),
                faults,
                _folder: folder,
            }
        }

        fn fail(&self, at: usize, fault: Option<VaultError>) {
            *self.faults[at].lock().expect("lock") = fault;
        }

        fn get(&self, name: &str) -> Result<String, VaultError> {
            self.chain.get(name).map(|secret| secret.expose_secret().to_owned())
        }
    }

    fn at(seconds: i64) -> UnixMicros {
        UnixMicros::new(1_700_000_000_000_000 + seconds * 1_000_000)
    }

    #[test]
    fn when_a_secret_was_set_is_noted_and_forgotten_with_it() {
        let rig = Rig::new();
        rig.chain.keep("a", &"x".into(), None).expect("kept");
        let known = Vault::known(&rig.chain).expect("known");
        assert_eq!(known.get("a"), Some(&Known { place: Some(Place::Service), set: Some(at(7)) }));
        rig.chain.drop_secret("a").expect("forgotten");
        assert!(Vault::known(&rig.chain).expect("known").is_empty());
    }

    fn absent(place: Place) -> VaultError {
        VaultError::Absent { place, why: "test".into() }
    }

    fn bad_minutes(place: Place) -> [VaultError; 4] {
        [
            VaultError::Locked { place, why: "test".into() },
            VaultError::Denied { place, why: "test".into() },
            VaultError::Slow { place, seconds: 5 },
            VaultError::Unavailable { place, why: "test".into() },
        ]
    }

    #[test]
    fn only_what_is_absent_leads_to_a_weaker_place() {
        for fault in bad_minutes(Place::Service) {
            let rig = Rig::new();
            rig.fail(0, Some(fault.clone()));
            assert_eq!(rig.chain.keep("a", &"x".into(), None), Err(fault));
            assert!(rig.chain.names().expect("list").is_empty());
            let kept = rig.chain.keep("a", &"x".into(), Some(Place::File)).expect("by name of the place");
            assert_eq!((kept.place, kept.passed), (Place::File, vec![]));
        }
        let rig = Rig::new();
        rig.fail(0, Some(absent(Place::Service)));
        let kept = rig.chain.keep("a", &"x".into(), None).expect("kept");
        assert_eq!((kept.place, kept.passed), (Place::Kernel, vec![absent(Place::Service)]));
        rig.fail(1, Some(absent(Place::Kernel)));
        let kept = rig.chain.keep("b", &"y".into(), None).expect("kept");
        assert_eq!((kept.place, kept.passed.len()), (Place::File, 2));
        rig.fail(2, Some(absent(Place::File)));
        assert_eq!(rig.chain.keep("c", &"z".into(), None), Err(absent(Place::File)));
    }

    #[test]
    fn a_secret_is_read_where_it_is_known_to_be_and_nowhere_else() {
        let rig = Rig::new();
        rig.chain.keep("a", &"strong".into(), None).expect("kept");
        rig.chain.links[2].set("a", &"stale".into(), false).expect("set behind its back");
        assert_eq!(rig.get("a").as_deref(), Ok("strong"));
        for fault in bad_minutes(Place::Service) {
            rig.fail(0, Some(fault.clone()));
            assert_eq!(rig.get("a"), Err(fault));
        }
        rig.fail(0, Some(absent(Place::Service)));
        assert_eq!(rig.get("a"), Err(absent(Place::Service)), "the stale one elsewhere is not taken for it");
    }

    #[test]
    fn a_name_that_is_not_known_is_looked_for_in_every_place() {
        let rig = Rig::new();
        rig.chain.links[2].set("a", &"x".into(), false).expect("set");
        rig.fail(0, Some(absent(Place::Service)));
        assert_eq!(rig.get("a").as_deref(), Ok("x"));
        assert_eq!(rig.get("b"), Err(VaultError::Missing { name: "b".into() }));
        let locked = VaultError::Locked { place: Place::Service, why: "test".into() };
        rig.fail(0, Some(locked.clone()));
        assert_eq!(rig.get("b"), Err(locked.clone()), "it may be in the locked one");
        assert_eq!(rig.chain.drop_secret("b"), Err(locked));
        assert_eq!(rig.chain.drop_secret("a"), Ok(true));
        rig.fail(0, None);
        assert_eq!(rig.chain.drop_secret("a"), Ok(false));
    }

    #[test]
    fn moving_a_secret_leaves_none_behind() {
        let rig = Rig::new();
        rig.chain.keep("a", &"old".into(), Some(Place::File)).expect("kept");
        let kept = rig.chain.keep("a", &"new".into(), None).expect("kept");
        assert_eq!((kept.place, kept.left), (Place::Service, None));
        assert!(rig.chain.links[2].get("a", false).is_err_and(|error| error.is_missing()));
        let denied = VaultError::Denied { place: Place::Service, why: "test".into() };
        rig.fail(0, Some(denied.clone()));
        let kept = rig.chain.keep("a", &"newer".into(), Some(Place::Kernel)).expect("kept");
        assert_eq!(kept.left, Some(denied), "that the old one is still there is told");
        assert_eq!(rig.get("a").as_deref(), Ok("newer"));
    }

    #[test]
    fn what_the_kernel_lost_is_told_as_lost() {
        let rig = Rig::new();
        rig.chain.keep("a", &"x".into(), Some(Place::Kernel)).expect("kept");
        rig.chain.links[1].forget("a", false).expect("a restart");
        assert_eq!(rig.get("a"), Err(VaultError::Lost { name: "a".into() }));
    }

    #[test]
    fn names_are_plain_words() {
        let rig = Rig::new();
        for bad in ["", "a b", "ü", "a/b", "../a", "a\n", &"x".repeat(129)] {
            let refused = rig.chain.keep(bad, &"x".into(), None);
            assert!(matches!(refused, Err(VaultError::BadName { .. })), "{bad:?}");
            assert!(matches!(rig.get(bad), Err(VaultError::BadName { .. })), "{bad:?}");
        }
        for good in ["a", "A-9_.", &"x".repeat(128)] {
            rig.chain.keep(good, &"x".into(), None).expect(good);
        }
    }
}
