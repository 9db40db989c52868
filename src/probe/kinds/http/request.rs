//! What is sent. Faults are found when the probe is built; headers that all requests share are added to each one, so
//! that thousands of monitors do not each keep a map of them.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST,
    InvalidHeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use http_body_util::Empty;
use rustls::pki_types::ServerName;

use super::url::Url;
use super::{Http, WARNING_DAYS};
use crate::model::FieldError;
use crate::probe::net::tls::server_name;
use crate::secret::Zeroizing;

const AGENT: &str = concat!("HallMonitor/", env!("CARGO_PKG_VERSION"));

/// These would say something else about the request than what it is.
const OURS: [HeaderName; 6] = [CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT, UPGRADE, TE, TRAILER];

/// These go to any server. Every other header can carry a secret and stays with the configured one.
const HARMLESS: [HeaderName; 4] = [USER_AGENT, ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE];

/// Headers that every request has: host, user agent, connection.
const USUAL: usize = 3;

/// One server and what it is asked.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub(super) url: Url,
    /// Only for `https`.
    pub(super) tls_name: Option<ServerName<'static>>,
    /// Headers of the settings, where there are any.
    own: Option<Box<HeaderMap>>,
}

/// A monitor's settings, ready for use.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) first: Arc<Hop>,
    pub(super) expected_status: u16,
    /// None: no certificate is ever too old.
    pub(super) warning_days: Option<i64>,
    pub(super) max_body: u64,
    pub(super) follow: bool,
}

impl Plan {
    /// Reads the settings.
    ///
    /// # Errors
    /// Every fault in them.
    pub(super) fn new(http: &Http) -> Result<Self, Vec<FieldError>> {
        let mut faults = Vec::new();
        let mut headers = read_headers(http, &mut faults);
        let url = Url::parse(http.url.trim()).and_then(|(url, auth)| Ok((tls_name(&url)?, url, auth)));
        match url {
            Ok((tls_name, url, auth)) if faults.is_empty() => {
                if let Some(auth) = auth {
                    headers.entry(AUTHORIZATION).or_insert(auth);
                }
                Ok(Self {
                    first: Arc::new(Hop { own: kept(headers), tls_name, url }),
                    expected_status: http.expected_status,
                    warning_days: match http.ssl_cert_expiry_warning_days {
                        0 => Some(WARNING_DAYS),
                        days => Some(days).filter(|days| *days > 0),
                    },
                    max_body: http.max_body,
                    follow: !(300..400).contains(&http.expected_status),
                })
            }
            Ok(_) => Err(faults),
            Err(what) => {
                faults.insert(0, FieldError::new("url", what));
                Err(faults)
            }
        }
    }
}

impl Hop {
    /// The next hop, with what may be told there.
    ///
    /// # Errors
    /// Why it cannot be followed.
    pub(super) fn redirected(&self, location: &[u8]) -> Result<Self, String> {
        let url = self.url.resolve(location)?;
        if url.same_origin(&self.url) {
            return Ok(Self { url, tls_name: self.tls_name.clone(), own: self.own.clone() });
        }
        let mut headers = HeaderMap::new();
        for name in HARMLESS {
            let own = self.own.iter().flat_map(|own| own.get_all(&name));
            headers.extend(own.map(|value| (Some(name.clone()), value.clone())));
        }
        Ok(Self { own: kept(headers), tls_name: tls_name(&url)?, url })
    }

    /// The headers of the settings.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.own.iter().flat_map(|own| own.iter())
    }

    /// The request: only reference counts, one map and the host's name are new.
    pub(super) fn request(&self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri_of(&self.url.path);
        let own = self.own.as_deref().cloned().unwrap_or_else(|| HeaderMap::with_capacity(USUAL));
        *request.headers_mut() = complete(own, &self.url);
        request
    }
}

fn kept(headers: HeaderMap) -> Option<Box<HeaderMap>> {
    (!headers.is_empty()).then(|| Box::new(headers))
}

fn uri_of(path: &PathAndQuery) -> Uri {
    Uri::from(path.clone())
}

fn tls_name(url: &Url) -> Result<Option<ServerName<'static>>, String> {
    if !url.tls {
        return Ok(None);
    }
    let no_name = || format!("invalid URL format: `{}` can have no certificate", url.host);
    server_name(&url.host).map(Some).ok_or_else(no_name)
}

fn read_headers(http: &Http, faults: &mut Vec<FieldError>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (key, value) in &http.headers {
        let mut wrong = |what: String| faults.push(FieldError::new("headers", what));
        let Ok(name) = HeaderName::from_bytes(key.as_bytes()) else {
            wrong(format!("`{key}` is no header name; allowed are letters, digits and !#$%&'*+-.^_`|~"));
            continue;
        };
        let Ok(mut header) = hidden_value(value.trim()) else {
            // The value may be a secret: it is not repeated.
            wrong(format!("the value of `{key}` has a character that no header may have, such as a line end"));
            continue;
        };
        if OURS.contains(&name) {
            wrong(format!("`{key}` cannot be set: Hall Monitor sends a GET without a body"));
            continue;
        }
        header.set_sensitive(!HARMLESS.contains(&name));
        headers.append(name, header);
    }
    headers
}

/// A value whose bytes are zeroed when nobody has it any more.
pub(super) fn hidden_value(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::from_maybe_shared(Bytes::from_owner(Zeroizing::new(text.as_bytes().to_vec())))
}

/// Adds what every request needs and the settings do not say.
fn complete(mut headers: HeaderMap, url: &Url) -> HeaderMap {
    if !headers.contains_key(HOST)
        && let Ok(host) = HeaderValue::from_str(&url.authority())
    {
        headers.insert(HOST, host);
    }
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    // The server closes first, so that waiting connections (TIME_WAIT) pile up nowhere here.
    headers.entry(CONNECTION).or_insert(HeaderValue::from_static("close"));
    headers
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn plan(url: &str, headers: &[(&str, &str)]) -> Plan {
        let headers: BTreeMap<_, _> = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let http: Http = serde_json::from_value(serde_json::json!({"url": url, "headers": headers})).expect("settings");
        Plan::new(&http).expect("a plan")
    }

    #[test]
    fn host_and_user_agent_are_honoured() {
        let first = plan("http://u:p@nas:81/", &[("host", "other"), ("USER-AGENT", "me")]).first;
        assert_eq!(first.request().headers()[HOST], "other");
        assert_eq!(first.request().headers()[USER_AGENT], "me");
        assert_eq!(first.request().headers()[AUTHORIZATION], "Basic dTpw");
        let plain = plan("http://nas:81/", &[]).first;
        assert_eq!(plain.request().headers()[HOST], "nas:81");
        assert_eq!(plain.request().headers()[USER_AGENT], AGENT);
    }

    #[test]
    fn secrets_stay_with_their_origin_for_good() {
        let sent = [("Cookie", "c"), ("X-Api-Key", "k"), ("Accept", "text/html"), ("Host", "h")];
        let first = plan("http://u:p@nas/", &sent).first;
        let same = first.redirected(b"/login").expect("redirect");
        assert_eq!(same.request().headers(), first.request().headers());
        for location in ["http://other/", "https://nas/", "http://nas:81/"] {
            let away = first.redirected(location.as_bytes()).expect(location);
            let sent = away.request();
            let mut names: Vec<_> = sent.headers().keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["accept", "connection", "host", "user-agent"], "{location}");
            let back = away.redirected(b"http://nas/").expect("back");
            let sent = back.request();
            assert!(!sent.headers().contains_key(AUTHORIZATION) && sent.headers()[HOST] == "nas");
        }
    }

    #[test]
    fn a_certificate_warning_of_zero_days_is_the_default_and_a_negative_one_none() {
        for (days, wanted) in [(0, Some(30)), (7, Some(7)), (-1, None)] {
            let settings = serde_json::json!({"url": "https://nas", "sslCertExpiryWarningDays": days});
            let http: Http = serde_json::from_value(settings).expect("settings");
            assert_eq!(Plan::new(&http).expect("a plan").warning_days, wanted);
        }
    }
}
