//! What a check found out besides its verdict, as typed values under a closed list of keys. A new fact is one line
//! here; backends store facts by key and type and know none of them by name.

use std::fmt;
use std::str::FromStr;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::ParseNameError;
use super::text::{MESSAGE_LIMIT, cleaned};
use super::time::UnixMicros;

/// What the number of a fact counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum FactUnit {
    /// A plain number.
    Count,
    /// Bytes.
    Bytes,
    /// Microseconds.
    Micros,
    /// Seconds.
    Seconds,
    /// A point in time, µs since 1970.
    Time,
    /// Text.
    Text,
}

macro_rules! facts {
    ($($(#[$doc:meta])* $variant:ident = $code:literal $text:literal $unit:ident),+ $(,)?) => {
        /// The name of a fact. Codes are written to disk: never renumber.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum FactKey { $($(#[$doc])* $variant = $code),+ }

        impl FactKey {
            /// Every key.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name used in JSON and in backends.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// What its value counts.
            #[must_use]
            pub const fn unit(self) -> FactUnit {
                match self { $(Self::$variant => FactUnit::$unit),+ }
            }

            /// The number used in binary formats.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The key with this number.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }

        impl FromStr for FactKey {
            type Err = ParseNameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(ParseNameError { what: "fact", name: text.to_owned() }),
                }
            }
        }
    };
}

facts! {
    /// Address that answered, `ip` or `ip:port`.
    Peer = 1 "peer" Text,
    /// HTTP status code of the last answer.
    HttpStatus = 10 "http_status" Count,
    /// Body bytes read off the wire.
    HttpBytes = 11 "http_bytes" Bytes,
    /// Redirects followed.
    HttpRedirects = 12 "http_redirects" Count,
    /// `Content-Type` of the last answer.
    HttpContentType = 13 "http_content_type" Text,
    /// `Server` of the last answer.
    HttpServer = 14 "http_server" Text,
    /// `Cache-Control` of the last answer.
    HttpCacheControl = 15 "http_cache_control" Text,
    /// `HTTP/1.0` or `HTTP/1.1`.
    HttpVersion = 16 "http_version" Text,
    /// Where the redirects ended, when any was followed.
    HttpFinalUrl = 17 "http_final_url" Text,
    /// `Content-Length` as sent by the server.
    HttpContentLength = 18 "http_content_length" Bytes,
    /// End of validity of the leaf certificate.
    TlsExpires = 20 "tls_expires" Time,
    /// Whole days until then; negative when past.
    TlsDaysLeft = 21 "tls_days_left" Count,
    /// `TLSv1.2` or `TLSv1.3`.
    TlsVersion = 22 "tls_version" Text,
    /// Issuer of the leaf certificate.
    TlsIssuer = 23 "tls_issuer" Text,
    /// Subject of the leaf certificate.
    TlsSubject = 24 "tls_subject" Text,
    /// Echo requests sent.
    PingSent = 30 "ping_sent" Count,
    /// Echo replies received in time.
    PingReceived = 31 "ping_received" Count,
    /// Shortest round trip.
    PingMin = 32 "ping_min_us" Micros,
    /// Mean round trip.
    PingAvg = 33 "ping_avg_us" Micros,
    /// Longest round trip.
    PingMax = 34 "ping_max_us" Micros,
    /// Standard deviation of the round trips (population).
    PingStddev = 35 "ping_stddev_us" Micros,
    /// `raw` or `datagram`: the kind of ICMP socket used.
    PingMethod = 36 "ping_method" Text,
    /// TCP port that was tried.
    TcpPort = 40 "tcp_port" Count,
    /// 1 when the connection was made.
    TcpConnected = 41 "tcp_connected" Count,
    /// Response code of the server (RFC 1035 and the IANA registry), as a number.
    DnsRcode = 50 "dns_rcode" Count,
    /// Number of answer records of the asked type.
    DnsAnswerCount = 51 "dns_answer_count" Count,
    /// The answers, joined by `, `.
    DnsAnswers = 52 "dns_answers" Text,
    /// Smallest time to live among the answers.
    DnsTtl = 53 "dns_ttl_s" Seconds,
    /// Size of the response message.
    DnsBytes = 54 "dns_bytes" Bytes,
    /// The asked type, in capitals.
    DnsType = 55 "dns_type" Text,
    /// `udp` or `tcp`: how the answer came.
    DnsTransport = 56 "dns_transport" Text,
    /// 1 when the server set the authoritative flag.
    DnsAuthoritative = 57 "dns_authoritative" Count,
}

impl fmt::Display for FactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The value of a fact. Text is cleaned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FactValue {
    /// A number in the key's unit, within ±2^53.
    Number(i64),
    /// Text of at most [`MESSAGE_LIMIT`] bytes.
    Text(CompactString),
}

/// One fact.
pub type Fact = (FactKey, FactValue);

/// The facts of one result, sorted by key, each key at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Facts(Vec<Fact>);

impl Facts {
    /// None, with room for so many.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    const EXACT: i64 = 1 << 53;

    /// No facts.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sets a number, clamped to ±2^53.
    pub fn set(&mut self, key: FactKey, number: i64) {
        self.put(key, FactValue::Number(number.clamp(-Self::EXACT, Self::EXACT)));
    }

    /// Sets a time.
    pub fn set_time(&mut self, key: FactKey, time: UnixMicros) {
        self.set(key, time.micros());
    }

    /// Sets text, cleaned; empty text is no fact.
    pub fn set_text(&mut self, key: FactKey, text: &str) {
        let text = cleaned(text, MESSAGE_LIMIT);
        if !text.is_empty() {
            self.put(key, FactValue::Text(text.as_ref().into()));
        }
    }

    /// Sets text that is clean and not empty.
    pub(crate) fn set_clean(&mut self, key: FactKey, text: CompactString) {
        self.put(key, FactValue::Text(text));
    }

    fn put(&mut self, key: FactKey, value: FactValue) {
        if self.0.last().is_none_or(|(last, _)| *last < key) {
            return self.0.push((key, value));
        }
        match self.0.binary_search_by_key(&key, |(k, _)| *k) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (key, value)),
        }
    }

    /// Sets a value that was stored before.
    pub fn set_value(&mut self, key: FactKey, value: FactValue) {
        match value {
            FactValue::Number(number) => self.set(key, number),
            FactValue::Text(text) => self.set_text(key, &text),
        }
    }

    /// The number under a key.
    #[must_use]
    pub fn number(&self, key: FactKey) -> Option<i64> {
        match self.get(key)? {
            FactValue::Number(number) => Some(*number),
            FactValue::Text(_) => None,
        }
    }

    /// The text under a key.
    #[must_use]
    pub fn text(&self, key: FactKey) -> Option<&str> {
        match self.get(key)? {
            FactValue::Text(text) => Some(text),
            FactValue::Number(_) => None,
        }
    }

    /// The value under a key.
    #[must_use]
    pub fn get(&self, key: FactKey) -> Option<&FactValue> {
        self.0.binary_search_by_key(&key, |(k, _)| *k).ok().map(|at| &self.0[at].1)
    }

    /// All facts, by key.
    pub fn iter(&self) -> std::slice::Iter<'_, Fact> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives back the room for facts that did not come.
    pub fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }
}

impl<'a> IntoIterator for &'a Facts {
    type Item = &'a Fact;
    type IntoIter = std::slice::Iter<'a, Fact>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Binary: pairs of (code, value); a code that this version does not know is left out on reading.
impl Serialize for Facts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_map(self.0.iter().map(|(key, value)| (key.as_str(), JsonValue(*key, value))))
        } else {
            serializer.collect_seq(self.0.iter().map(|(key, value)| (key.code(), value)))
        }
    }
}

impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut facts = Self::new();
        if deserializer.is_human_readable() {
            let map = std::collections::BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
            for (name, value) in map {
                let Ok(key) = name.parse::<FactKey>() else { continue };
                match (key.unit(), value) {
                    (FactUnit::Time, serde_json::Value::String(text)) => {
                        facts.set_time(key, UnixMicros::parse(&text).map_err(serde::de::Error::custom)?);
                    }
                    (FactUnit::Text, serde_json::Value::String(text)) => facts.set_text(key, &text),
                    (_, serde_json::Value::Number(number)) => {
                        facts.set(key, number.as_i64().ok_or_else(|| serde::de::Error::custom("fact out of range"))?);
                    }
                    (_, other) => return Err(serde::de::Error::custom(format!("fact {name} cannot be {other}"))),
                }
            }
        } else {
            for (code, value) in Vec::<(u8, FactValue)>::deserialize(deserializer)? {
                if let Some(key) = FactKey::from_code(code) {
                    facts.set_value(key, value);
                }
            }
        }
        Ok(facts)
    }
}

/// In JSON a time is RFC 3339 text, any other number a number.
struct JsonValue<'a>(FactKey, &'a FactValue);

impl Serialize for JsonValue<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.1 {
            FactValue::Number(number) if self.0.unit() == FactUnit::Time => {
                serializer.collect_str(&UnixMicros::new(*number))
            }
            FactValue::Number(number) => serializer.serialize_i64(*number),
            FactValue::Text(text) => serializer.serialize_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_and_json_read_back() {
        let mut facts = Facts::new();
        facts.set(FactKey::HttpStatus, 200);
        facts.set_text(FactKey::Peer, "127.0.0.1:80\n");
        facts.set_time(FactKey::TlsExpires, UnixMicros::new(1_700_000_000_000_000));
        let bytes = postcard::to_stdvec(&facts).expect("encodes");
        assert_eq!(postcard::from_bytes::<Facts>(&bytes).expect("decodes"), facts);
        let json = serde_json::to_string(&facts).expect("encodes");
        assert_eq!(json, r#"{"peer":"127.0.0.1:80","http_status":200,"tls_expires":"2023-11-14T22:13:20.000000Z"}"#);
        assert_eq!(serde_json::from_str::<Facts>(&json).expect("decodes"), facts);
    }

    #[test]
    fn codes_are_unique_and_read_back() {
        for key in FactKey::ALL {
            assert_eq!(FactKey::from_code(key.code()), Some(*key));
            assert_eq!(key.as_str().parse::<FactKey>().as_ref(), Ok(key));
        }
    }
}
