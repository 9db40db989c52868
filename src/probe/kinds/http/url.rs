//! Addresses of web pages (RFC 3986), as far as a check needs them: `http` and `https`, and where a redirect leads.

use std::fmt;
use std::net::IpAddr;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

use super::basic_auth::basic_auth;
use crate::probe::net::Host;

/// Longest address that is followed, in bytes.
const LONGEST: usize = 8 * 1024;

/// Where to ask, and for what. User information is no part of it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) tls: bool,
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) path: PathAndQuery,
}

/// An address and the `Authorization` that its user information stands for.
pub(super) type UrlAndAuth = (Url, Option<HeaderValue>);

impl Url {
    /// Reads an absolute address.
    ///
    /// # Errors
    /// What is wrong; user information is never repeated.
    pub(super) fn parse(text: &str) -> Result<UrlAndAuth, String> {
        if text.is_empty() {
            return Err("HTTP monitor requires url".to_owned());
        }
        let uri: Uri = text.parse().map_err(|error| format!("invalid URL format: {error}"))?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(other) => {
                return Err(format!("URL must use http or https scheme, not `{}`", other.as_str()));
            }
            None => return Err("URL must use http or https scheme: begin with http:// or https://".to_owned()),
        };
        let authority = uri.authority().ok_or("invalid URL format: there is no host")?;
        let user = authority.as_str().rsplit_once('@').map(|(user, _)| user).filter(|user| !user.is_empty());
        let host = Host::parse(authority.host()).map_err(|error| format!("invalid URL format: {error}"))?;
        let port = port_of(authority)?.unwrap_or(default_port(tls));
        let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        // `http://host?a` has no path; a request must.
        let path = if path.as_str().starts_with('/') {
            path
        } else {
            PathAndQuery::try_from(format!("/{}", path.as_str()))
                .map_err(|error| format!("invalid URL format: {error}"))?
        };
        Ok((Self { tls, host, port, path }, user.map(basic_auth)))
    }

    /// Where a `Location` leads from here (RFC 3986 section 5.2); its fragment and user information are left out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn resolve(&self, location: &[u8]) -> Result<Self, String> {
        let location = location.trim_ascii();
        if location.len() > LONGEST {
            return Err(format!("the redirect's address is longer than {LONGEST} bytes"));
        }
        let mut text = escape(location);
        if let Some(fragment) = text.find('#') {
            text.truncate(fragment);
        }
        if has_scheme(&text) {
            return Self::parse(&text).map(|(url, _)| url).map_err(|what| format!("the redirect is no good: {what}"));
        }
        if text.starts_with("//") {
            let text = format!("{}:{text}", self.scheme());
            return Self::parse(&text).map(|(url, _)| url).map_err(|what| format!("the redirect is no good: {what}"));
        }
        let path = if text.is_empty() {
            self.path.as_str().to_owned()
        } else if text.starts_with('/') {
            without_dots(&text)
        } else if text.starts_with('?') {
            format!("{}{text}", self.path.path())
        } else {
            let folder = self.path.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            without_dots(&format!("{folder}/{text}"))
        };
        let path = PathAndQuery::try_from(path).map_err(|error| format!("the redirect is no good: {error}"))?;
        Ok(Self { path, ..self.clone() })
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// Whether both lead to the same server by the same way.
    pub(super) fn same_origin(&self, other: &Self) -> bool {
        self.tls == other.tls && self.port == other.port && self.same_host(other)
    }

    /// Whether both name the same host.
    pub(super) fn same_host(&self, other: &Self) -> bool {
        match (&self.host, &other.host) {
            (Host::Name(one), Host::Name(two)) => one.eq_ignore_ascii_case(two),
            (one, two) => one == two,
        }
    }

    /// Host and, where it is not the scheme's own, port: the `Host` of a request (RFC 9110 section 7.2).
    pub(super) fn authority(&self) -> String {
        if self.port == default_port(self.tls) { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

/// As people see it: a query is left out, since keys and tokens are often part of it.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query = if self.path.query().is_some() { "?…" } else { "" };
        write!(f, "{}://{}{}{query}", self.scheme(), self.authority(), self.path.path())
    }
}

/// As [`Url`] is shown.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// Whether an address is one of a machine's own network card or of a cloud's metadata, where a name or a redirect from
/// outside must never lead.
pub(super) fn is_private_to_machine(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        // Link-local, with the metadata address of most clouds; those of Alibaba and of Oracle.
        IpAddr::V4(v4) => v4.is_link_local() || matches!(v4.octets(), [100, 100, 100, 200] | [192, 0, 0, 192]),
        IpAddr::V6(v6) => {
            // Link-local, AWS, and link-local through NAT64 (RFC 6052).
            v6.is_unicast_link_local()
                || v6.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
                || matches!(v6.segments(), [0x64, 0xff9b, 0, 0, 0, 0, 0xa9fe, _])
        }
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

fn port_of(authority: &Authority) -> Result<Option<u16>, String> {
    let text = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, host)| host);
    let Some(text) = text.strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':')) else {
        return Ok(None);
    };
    match text.parse::<u16>() {
        _ if text.is_empty() => Ok(None),
        Ok(port) if port != 0 => Ok(Some(port)),
        // Not repeated: a password with a slash in it can look like a port.
        _ => Err("invalid URL format: port must be between 1 and 65535".to_owned()),
    }
}

fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

/// Writes bytes that no address contains as `%XX`, as browsers do.
fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}') {
            text.push(char::from(byte));
        } else {
            text.push('%');
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789ABCDEF"[usize::from(nibble)]));
            }
        }
    }
    text
}

/// Takes `.` and `..` out of a path (RFC 3986 section 5.2.4); a query stays as it is.
fn without_dots(path_and_query: &str) -> String {
    let (path, query) = match path_and_query.find('?') {
        Some(at) => path_and_query.split_at(at),
        None => (path_and_query, ""),
    };
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for part in path.split('/').skip(1) {
        ends_in_folder = matches!(part, "." | "..");
        match part {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let end = if ends_in_folder && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_a_location_says_its_url_reads_back(location in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(url) = url("http://a:81/b/c?d").resolve(&location) {
                let again = Url::parse(&whole(&url)).map(|(again, _)| again);
                prop_assert_eq!(again, Ok(url));
            }
        }

        #[test]
        fn paths_keep_no_dots(parts in prop::collection::vec("\\.{1,2}|[a-z]{1,3}", 0..8)) {
            let path = without_dots(&format!("/{}", parts.join("/")));
            prop_assert!(path.starts_with('/'));
            prop_assert!(path.split('/').all(|part| part != "." && part != ".."), "{}", path);
        }
    }

    /// With the query, which is never shown.
    fn whole(url: &Url) -> String {
        format!("{}://{}{}", url.scheme(), url.authority(), url.path)
    }

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text).0
    }

    #[test]
    fn addresses_are_read() {
        for (text, shown) in [
            ("http://nas", "http://nas/"),
            ("HTTPS://nas:443/a?b#c", "https://nas/a?b"),
            ("http://nas:8080?x", "http://nas:8080/?x"),
            ("http://[::1]:80/", "http://[::1]/"),
            ("http://[::1]:81/", "http://[::1]:81/"),
            ("http://u:p%40w@nas/", "http://nas/"),
        ] {
            assert_eq!(whole(&url(text)), shown, "{text}");
        }
    }

    #[test]
    fn faults_say_what_is_wrong_and_never_the_password() {
        for (text, part) in [
            ("", "requires url"),
            ("nas", "http:// or https://"),
            ("/a", "http:// or https://"),
            ("ftp://nas/", "not `ftp`"),
            ("http://", "invalid URL format"),
            ("http://u:geheim@/", "invalid URL format"),
            ("http://u:geheim@a_b:99999/", "invalid URL format"),
            ("http://u:geheim@nas:0/", "between 1 and 65535"),
            ("http://u:geheim/x@nas/", "invalid URL format"),
            ("http://nas/a b", "invalid URL format"),
        ] {
            let error = Url::parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn redirects_lead_where_the_standard_says() {
        let base = url("http://a/b/c/d;p?q");
        for (location, wanted) in [
            ("http://g/h", "http://g/h"),
            ("https://g", "https://g/"),
            ("//g:81/x", "http://g:81/x"),
            ("/g", "http://a/g"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("../g", "http://a/b/g"),
            ("../../../g", "http://a/g"),
            ("..", "http://a/b/"),
            ("g/", "http://a/b/c/g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            (" /with space\u{e4} ", "http://a/with%20space%C3%A4"),
            ("http://user:pw@g/", "http://g/"),
        ] {
            assert_eq!(whole(&base.resolve(location.as_bytes()).expect(location)), wanted, "{location}");
        }
        for location in ["file:///etc/passwd", "javascript:alert(1)", "http://", "gopher://a"] {
            assert!(base.resolve(location.as_bytes()).is_err(), "{location}");
        }
        assert!(base.resolve(&[b'a'; LONGEST + 1]).is_err());
    }

    #[test]
    fn a_query_is_sent_and_not_shown() {
        let url = url("https://nas:8443/api?token=geheim");
        assert_eq!(url.path, "/api?token=geheim");
        assert_eq!(url.to_string(), "https://nas:8443/api?…");
        assert_eq!(format!("{url:?}"), "Url(https://nas:8443/api?…)");
    }

    #[test]
    fn origins() {
        assert!(url("http://A/").same_origin(&url("http://a:80/x")));
        assert!(!url("http://a/").same_origin(&url("https://a/")));
        assert!(!url("http://a/").same_origin(&url("http://a:81/")));
        assert!(!url("http://a/").same_origin(&url("http://b/")));
    }

    #[test]
    fn metadata_addresses_are_known() {
        for text in [
            "169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "100.100.100.200",
        ] {
            assert!(is_private_to_machine(text.parse().expect(text)), "{text}");
        }
        for text in ["127.0.0.1", "192.168.1.1", "::1", "fd00::1"] {
            assert!(!is_private_to_machine(text.parse().expect(text)), "{text}");
        }
    }
}
