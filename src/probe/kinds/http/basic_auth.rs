//! Basic authentication (RFC 7617) from the user information of an address.

use http::HeaderValue;

/// The value of `Authorization` for `user:password` as it stands in an address, with `%XX` in it. Marked as sensitive,
/// so that it is never shown.
pub(super) fn basic_auth(user_info: &str) -> HeaderValue {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let mut plain = unescape(user);
    plain.push(b':');
    plain.extend(unescape(password));
    let text = format!("Basic {}", base64(&plain));
    // Base64 has only characters that a header may have.
    let mut value = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

/// Turns `%XX` into its byte (RFC 3986 section 2.1); a `%` without two digits stays.
pub(super) fn unescape(text: &str) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                plain.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 3;
            }
            (byte, ..) => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    plain
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding (RFC 4648 section 4).
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let sextet = (group >> (18 - 6 * place)) & 63;
            let shown = place <= chunk.len();
            text.push(if shown { char::from(ALPHABET[sextet as usize]) } else { '=' });
        }
    }
    text
}

/// What base64 stands for; the bytes before the first character that is none.
pub(super) fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut bits) = (0_u32, 0);
    for letter in text.bytes() {
        let Some(sextet) = ALPHABET.iter().position(|known| *known == letter) else { break };
        group = group << 6 | u32::try_from(sextet).unwrap_or(0);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(group >> bits & 0xff).unwrap_or(0));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_4648() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), text);
            assert_eq!(decoded(text), plain.as_bytes());
        }
    }

    #[test]
    fn user_information_is_unescaped() {
        // The example of RFC 7617 section 2.
        assert_eq!(basic_auth("Aladdin:open%20sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(unescape("a%zz%4"), b"a%zz%4");
        assert!(!format!("{:?}", basic_auth("u:secret")).contains("c2Vjc"));
    }
}
