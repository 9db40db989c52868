//! Addresses that people copy from elsewhere, taken apart: `scheme://user:password@host:port/path?key=value`.

/// What an address says, with nothing of it encoded any more.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) scheme: String,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// As it is written, from its slash on; empty where there is none.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the password; a token may stand in the query.
        f.debug_struct("Address").field("scheme", &self.scheme).field("host", &self.host).finish_non_exhaustive()
    }
}

impl Address {
    /// Reads one; none where a text is something else, or names several hosts.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://")?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.:".contains(&byte));
        if !is_scheme || text.contains(char::is_control) {
            return None;
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (who, place) = authority.rsplit_once('@').map_or((None, authority), |(who, place)| (Some(who), place));
        let (host, port) = place_of(place)?;
        let (user, password) = match who.map(|who| who.split_once(':').map_or((who, None), |(u, p)| (u, Some(p)))) {
            None => (None, None),
            Some((user, password)) => (Some(decoded(user)?), password.map(decoded).transpose_option()?),
        };
        let query = query.split('&').filter(|pair| !pair.is_empty());
        let query = query.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(key)?, decoded(&value.replace('+', " "))?))
        });
        Some(Self {
            scheme: scheme.to_ascii_lowercase(),
            user: user.filter(|user| !user.is_empty()),
            password: password.filter(|password| !password.is_empty()),
            host,
            port,
            path: path.to_owned(),
            query: query.collect::<Option<_>>()?,
        })
    }

    /// The value of a key of the query.
    pub(crate) fn said(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(known, value)| known == key && !value.is_empty()).map(|(_, value)| value.as_str())
    }
}

/// `Option<Option<T>>` with the inside out.
trait TransposeOption<T> {
    fn transpose_option(self) -> Option<Option<T>>;
}

impl<T> TransposeOption<T> for Option<Option<T>> {
    fn transpose_option(self) -> Option<Option<T>> {
        match self {
            None => Some(None),
            Some(None) => None,
            Some(some) => Some(some),
        }
    }
}

/// Host and port of `host`, `host:port`, `[::1]:port`.
fn place_of(place: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => place.rsplit_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = match port.filter(|port| !port.is_empty()) {
        Some(port) => Some(port.parse().ok().filter(|port| *port > 0)?),
        None => None,
    };
    // Several hosts have commas between them: which of them is meant is for a person to say.
    (!host.contains([',', ' '])).then(|| decoded(host))?.map(|host| (host, port))
}

/// A text without its `%20`; none where that gives no text.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_and_decoded() {
        let address =
            Address::read(" Postgres://ann%40x:p%3Aw@[::1]:7/db%20x?sslmode=require&a=b+c#x ").expect("reads");
        assert_eq!((address.scheme.as_str(), address.host.as_str(), address.port), ("postgres", "::1", Some(7)));
        assert_eq!((address.user.as_deref(), address.password.as_deref()), (Some("ann@x"), Some("p:w")));
        assert_eq!((address.path.as_str(), address.said("a"), address.said("b")), ("/db%20x", Some("b c"), None));
        assert!(!format!("{address:?}").contains("p:w"));
    }

    #[test]
    fn whatever_else_is_none() {
        for text in
            ["", "host", "a b://c", "x://h:0", "x://h:99999", "x://a,b/c", "x://%zz", "x://u:%ff@h", "://h", "x://h\n/"]
        {
            assert_eq!(Address::read(text), None, "{text:?}");
        }
        let bare = Address::read("http://h").expect("reads");
        assert_eq!((bare.port, bare.path.as_str(), bare.user), (None, "", None));
    }
}
