//! What is found on a machine can be written into its first file.

use std::path::Path;

use hallmonitor::config::{Document, Draft, Entry, Vars, parse};
use hallmonitor::discover::{Places, suggestions};
use hallmonitor::secret::MemoryVault;

#[test]
fn every_suggestion_is_a_monitor() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/discover/fixtures");
    let places = Places {
        routes: fixtures.join("route"),
        ipv6_routes: fixtures.join("ipv6_route"),
        resolv_conf: fixtures.join("resolv.conf"),
        upstreams: fixtures.join("upstreams.conf"),
    };
    let mut document = Document::empty();
    let found = suggestions(&places);
    for suggestion in &found {
        document = document.add_monitor(&Draft::new("home", suggestion.values())).expect("adds");
    }
    let config = parse(document.text().as_bytes(), Path::new("f.yml"), &Vars::default(), &MemoryVault::default());
    let config = config.unwrap_or_else(|refusal| panic!("{}\n{refusal}", document.text()));
    assert_eq!(config.monitors.len(), found.len());
    assert!(config.monitors.iter().all(|monitor| matches!(monitor.kind, Entry::Ready(_))));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    // Those of this machine are found without a fault, whatever they are.
    assert!(!suggestions(&Places::of_system()).is_empty());
}
