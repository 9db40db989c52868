//! Words that say of a value that it is a secret: names of headers, and of parameters of an address.

/// Parts of a name that say so wherever they stand in it.
const ANYWHERE: &[&str] = &["token", "secret", "password", "passwd", "apikey", "credential"];

/// Words of a name that say so where they stand for themselves.
const WORDS: &[&str] = &[
    "auth",
    "authorization",
    "authentication",
    "cookie",
    "jwt",
    "key",
    "pass",
    "pwd",
    "session",
    "sessionid",
    "sig",
    "signature",
];

/// Headers with such a word that are none.
const OPEN: &[&str] = &["idempotency-key", "sec-websocket-key", "surrogate-key", "set-cookie"];

/// Whether what stands under a name is a secret, as far as the name can tell: `Authorization`, `X-Api-Key`,
/// `access_token`, `clientSecret`.
#[must_use]
pub fn names_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    if OPEN.contains(&lower.as_str()) {
        return false;
    }
    let packed: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    ANYWHERE.iter().any(|part| packed.contains(part)) || words(name).any(|word| WORDS.contains(&word.as_str()))
}

/// The words of a name, in lower case: between marks, and where a large letter follows a small one.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && was_small) {
            words.push(String::new());
        }
        was_small = c.is_ascii_lowercase() || c.is_ascii_digit();
        if c.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_lowercase());
        }
    }
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell() {
        for name in [
            "Authorization",
            "Proxy-Authorization",
            "cookie",
            "X-Api-Key",
            "X-Auth",
            "PRIVATE-TOKEN",
            "X-Client-Secret",
            "x-functions-key",
            "token",
            "api_key",
            "apiKey",
            "access_token",
            "accessToken",
            "key",
            "pwd",
            "sig",
            "X-MyPassword",
        ] {
            assert!(names_secret(name), "{name}");
        }
        for name in [
            "Accept",
            "Host",
            "User-Agent",
            "X-Keyboard",
            "author",
            "Idempotency-Key",
            "compass",
            "monkey",
            "q",
            "",
            "passage",
        ] {
            assert!(!names_secret(name), "{name}");
        }
    }
}
