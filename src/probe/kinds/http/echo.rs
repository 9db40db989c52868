//! Servers that repeat a password: what they say is kept, so that whatever holds something of ours is not.

use http::HeaderName;
use http::header::{
    ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE,
    DNT, HOST, ORIGIN, PRAGMA, RANGE, REFERER, USER_AGENT,
};

use super::basic_auth::{decoded, unescape};
use super::request::Hop;
use crate::model::FactKey;
use crate::probe::Observation;
use crate::secret::names_secret;

/// Headers whose values are no secrets, and which answers repeat for good reason.
const OPEN: [HeaderName; 14] = [
    ACCEPT,
    ACCEPT_CHARSET,
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    CACHE_CONTROL,
    CONNECTION,
    CONTENT_TYPE,
    DNT,
    HOST,
    ORIGIN,
    PRAGMA,
    RANGE,
    REFERER,
    USER_AGENT,
];

/// Shorter values are found everywhere by chance.
const SHORTEST: usize = 6;

/// What a server says of itself, in its own words.
const SAID: [FactKey; 4] =
    [FactKey::HttpServer, FactKey::HttpContentType, FactKey::HttpCacheControl, FactKey::HttpFinalUrl];

const INSTEAD: &str = "(repeats a secret of the request)";

/// Takes out of an observation whatever repeats a secret of the request.
pub(super) fn cut_out(observation: &mut Observation, hop: &Hop) {
    let secrets = secrets(hop);
    if secrets.is_empty() {
        return;
    }
    for key in SAID {
        if observation.facts.text(key).is_some_and(|text| repeats(text, &secrets)) {
            observation.facts.set_text(key, INSTEAD);
        }
    }
    if repeats(&observation.message, &secrets) {
        observation.message = format!("what went wrong {INSTEAD}");
    }
}

/// The secrets of a request, in lower case: names of hosts are read so.
fn secrets(hop: &Hop) -> Vec<Vec<u8>> {
    let mut secrets = secrets_of_query(hop.url.path.query().unwrap_or_default());
    for (name, value) in hop.headers().filter(|(name, _)| !OPEN.contains(name)) {
        let value = value.as_bytes().to_ascii_lowercase();
        // `Bearer TOKEN`, `Basic BASE64`: a server may repeat the second word alone.
        if let Some(space) = value.iter().position(|byte| *byte == b' ') {
            secrets.push(value[space + 1..].to_vec());
        }
        secrets.push(value);
        if *name == AUTHORIZATION {
            secrets.extend(hop.headers().filter(|(name, _)| *name == AUTHORIZATION).flat_map(|(_, value)| {
                let plain = value.to_str().ok().and_then(|text| text.strip_prefix("Basic ")).map(decoded);
                let plain = plain.unwrap_or_default().to_ascii_lowercase();
                let password = plain.iter().position(|byte| *byte == b':').map(|colon| plain[colon + 1..].to_vec());
                password.into_iter().chain([plain])
            }));
        }
    }
    secrets.retain(|secret| secret.len() >= SHORTEST);
    secrets
}

/// The values of parameters that are called so, as they stand and as they are meant.
fn secrets_of_query(query: &str) -> Vec<Vec<u8>> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(name, _)| names_secret(name));
    let forms = |value: &str| [value.as_bytes().to_ascii_lowercase(), unescape(value).to_ascii_lowercase()];
    pairs.flat_map(|(_, value)| forms(value)).collect()
}

fn repeats(text: &str, secrets: &[Vec<u8>]) -> bool {
    let plain = text.to_ascii_lowercase().into_bytes();
    let unescaped = unescape(text).to_ascii_lowercase();
    let holds = |text: &[u8], secret: &[u8]| {
        // What was too long to be kept ends somewhere inside.
        let cut_off = text.strip_suffix("…".as_bytes());
        text.windows(secret.len()).any(|part| part == secret)
            || cut_off.is_some_and(|text| (SHORTEST..secret.len()).any(|length| text.ends_with(&secret[..length])))
    };
    secrets.iter().any(|secret| holds(&plain, secret) || holds(&unescaped, secret))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Http;
    use super::super::request::Plan;
    use super::*;
    use crate::model::Failure;

    fn cut(url: &str, headers: serde_json::Value, server: &str, message: &str) -> (String, String) {
        let http: Http = serde_json::from_value(json!({"url": url, "headers": headers})).expect("settings");
        let plan = Plan::new(&http).expect("a plan");
        let mut observation = Observation::failed(Failure::Assertion, message);
        observation.facts.set_text(FactKey::HttpServer, server);
        cut_out(&mut observation, &plan.first);
        let server = observation.facts.text(FactKey::HttpServer).expect("a text").to_owned();
        (server, observation.message)
    }

    #[test]
    fn what_repeats_a_secret_is_not_kept() {
        let token = json!({"Authorization": "Bearer Geheim&1"});
        for said in ["Geheim&1", "x Bearer Geheim&1 y", "a=GEHEIM%261;", "geheim&1.example"] {
            let (server, message) = cut("http://nas/", token.clone(), said, said);
            assert_eq!(server, INSTEAD, "{said}");
            assert!(!message.to_lowercase().contains("geheim"), "{message}");
        }
        for said in [
            "open%20sesame",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Aladdin:open sesame",
            "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ] {
            assert_eq!(cut("http://Aladdin:open%20sesame@nas/", json!({}), said, "").0, INSTEAD, "{said}");
        }
    }

    #[test]
    fn nor_is_what_repeats_a_key_of_the_query() {
        for said in ["Geheim&1", "x=geheim%261"] {
            assert_eq!(cut("http://nas/?q=nginx-1&api_key=Geheim%261", json!({}), said, said).0, INSTEAD, "{said}");
        }
        assert_eq!(cut("http://nas/?q=nginx-1&api_key=Geheim%261", json!({}), "nginx-1", "").0, "nginx-1");
    }

    #[test]
    fn everything_else_is() {
        let headers = json!({"Host": "example.com", "Cache-Control": "no-cache", "X-Short": "nginx"});
        for said in ["nginx", "no-cache", "example.com"] {
            assert_eq!(cut("http://nas/", headers.clone(), said, said), (said.to_owned(), said.to_owned()));
        }
        assert_eq!(cut("http://user:password@nas/", json!({}), "user", "user").0, "user");
    }
}
