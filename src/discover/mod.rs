//! What a first run could watch: the way out, the name servers, the internet. Read from files of the system; nothing
//! is sent on the network.

mod name_servers;
mod routes;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use self::routes::Gateway;

/// The service on the internet that is known to most machines: a resolver that also answers on 443.
const ANCHOR: &str = "one.one.one.one:443";

/// A name that name servers everywhere know, kept for such ends (RFC 2606).
const QUESTION: &str = "example.com";

/// What something is to this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The router that leads out of the local network.
    Gateway,
    /// Who answers for names.
    NameServer,
    /// Something far away that is always there.
    Internet,
}

/// Something that could be watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// What it is to this machine.
    pub role: Role,
    /// What the monitor could be called; unique among the suggestions.
    pub name: String,
    /// The kind of the monitor: `ping`, `dns`, `tcp`.
    pub kind: &'static str,
    /// What it would watch.
    pub target: String,
    /// What else its kind needs, by key.
    pub settings: Vec<(&'static str, String)>,
    /// Whether it is chosen when nobody says otherwise.
    pub ticked: bool,
}

impl Suggestion {
    /// The keys and values of the monitor as the configuration file has them.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, String)> {
        let own = [("name", self.name.clone()), ("type", self.kind.to_owned()), ("target", self.target.clone())];
        own.into_iter().chain(self.settings.iter().cloned())
    }
}

/// Files of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The kernel's IPv4 routes, in the form of Linux.
    pub routes: PathBuf,
    /// Its IPv6 routes.
    pub ipv6_routes: PathBuf,
    /// The resolver's settings.
    pub resolv_conf: PathBuf,
    /// The same with the servers that a local forwarder asks, where there is one.
    pub upstreams: PathBuf,
}

impl Places {
    /// Those of this machine. Gateways are found on Linux only, as other systems have no file that tells them.
    #[must_use]
    pub fn of_system() -> Self {
        Self {
            routes: "/proc/net/route".into(),
            ipv6_routes: "/proc/net/ipv6_route".into(),
            resolv_conf: "/etc/resolv.conf".into(),
            upstreams: "/run/systemd/resolve/resolv.conf".into(),
        }
    }
}

/// What a first run could watch, the nearest first. A file that is not there suggests nothing. Blocks on a few small
/// files; sends nothing.
#[must_use]
pub fn suggestions(places: &Places) -> Vec<Suggestion> {
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let gateways =
        [routes::ipv4(&read(&places.routes)), routes::ipv6(&read(&places.ipv6_routes))].map(|mut gateways| {
            gateways.sort_by_key(|gateway| gateway.metric);
            gateways
        });
    let servers = name_servers::used(&read(&places.resolv_conf), &read(&places.upstreams));
    of(&gateways, &servers)
}

fn of([ipv4, ipv6]: &[Vec<Gateway>; 2], servers: &[String]) -> Vec<Suggestion> {
    let mut all: Vec<Suggestion> = Vec::new();
    for gateway in ipv4.iter().chain(ipv6) {
        let target = gateway.address.to_string();
        if all.iter().any(|known| known.target == target) {
            continue;
        }
        // The one in use; the same router once more by its other address, and ways in reserve, are for choosing.
        let ticked = all.is_empty();
        let name = if all.is_empty() { "gateway".to_owned() } else { format!("gateway-{}", all.len() + 1) };
        all.push(Suggestion { role: Role::Gateway, name, kind: "ping", target, settings: Vec::new(), ticked });
    }
    for (at, server) in servers.iter().enumerate() {
        let name = if at == 0 { "name-server".to_owned() } else { format!("name-server-{}", at + 1) };
        let settings = vec![("query", QUESTION.to_owned())];
        all.push(Suggestion {
            role: Role::NameServer,
            name,
            kind: "dns",
            target: server.clone(),
            settings,
            ticked: true,
        });
    }
    all.push(Suggestion {
        role: Role::Internet,
        name: "internet".to_owned(),
        kind: "tcp",
        target: ANCHOR.to_owned(),
        settings: Vec::new(),
        ticked: true,
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(files: [&str; 4]) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = ["routes", "ipv6", "resolv", "upstreams"].map(|name| folder.path().join(name));
        for (path, text) in paths.iter().zip(files).filter(|(_, text)| !text.is_empty()) {
            fs::write(path, text).expect("written");
        }
        let [routes, ipv6_routes, resolv_conf, upstreams] = paths;
        let suggestions = suggestions(&Places { routes, ipv6_routes, resolv_conf, upstreams });
        let line = |s: Suggestion| {
            let mark = if s.ticked { "x" } else { " " };
            let values: Vec<_> = s.values().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{mark}] {:?} {}", s.role, values.join(" "))
        };
        suggestions.into_iter().map(line).collect()
    }

    const INTERNET: &str = "[x] Internet name=internet type=tcp target=one.one.one.one:443";

    #[test]
    fn a_home_is_found() {
        let found = with([
            include_str!("fixtures/route"),
            include_str!("fixtures/ipv6_route"),
            include_str!("fixtures/resolv.conf"),
            include_str!("fixtures/upstreams.conf"),
        ]);
        let expected = [
            "[x] Gateway name=gateway type=ping target=192.168.1.1",
            "[ ] Gateway name=gateway-2 type=ping target=10.8.0.1",
            "[ ] Gateway name=gateway-3 type=ping target=2001:db8::1",
            "[x] NameServer name=name-server type=dns target=192.168.1.1 query=example.com",
            "[x] NameServer name=name-server-2 type=dns target=2001:db8::53 query=example.com",
            INTERNET,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn without_any_file_the_internet_is_left() {
        assert_eq!(with([""; 4]), [INTERNET]);
        assert_eq!(with(["rubbish\n\u{0} 1 2", "\n\n x", "nameserver\nnameserver x", "nameserver 1.2.3"]), [INTERNET]);
    }
}
