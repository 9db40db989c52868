//! Finds a text in bytes, however it was written there.

/// A text that is found again in every usual way of writing it.
pub(crate) struct Canary {
    text: String,
    forms: Vec<(String, String)>,
}

impl Canary {
    /// One that nothing else looks like. Its ends change under percent encoding, its middle does not.
    pub(crate) fn new() -> Self {
        let core = uuid::Uuid::new_v4().simple().to_string();
        let text = format!("Kn&{core}=+");
        let ascii = |bytes: Vec<u8>| bytes.into_iter().map(char::from).collect::<String>();
        let each = |form: &dyn Fn(u8) -> String| core.bytes().map(form).collect::<String>();
        let mut forms = vec![
            ("plain".to_owned(), core.clone()),
            ("upper case".to_owned(), core.to_uppercase()),
            ("percent-encoded".to_owned(), each(&|byte| format!("%{byte:02X}"))),
            ("hexadecimal".to_owned(), each(&|byte| format!("{byte:02x}"))),
            ("UTF-16 LE".to_owned(), ascii(core.encode_utf16().flat_map(u16::to_le_bytes).collect())),
            ("UTF-16 BE".to_owned(), ascii(core.encode_utf16().flat_map(u16::to_be_bytes).collect())),
            ("reversed".to_owned(), core.chars().rev().collect()),
        ];
        let listed: Vec<String> = core.bytes().map(|byte| byte.to_string()).collect();
        forms.push(("list of bytes".to_owned(), listed.join(", ")));
        forms.push(("compact list of bytes".to_owned(), listed.join(",")));
        for shift in 0..3 {
            let whole = &core.as_bytes()[shift..];
            let base64 = base64(&whole[..whole.len() / 3 * 3]);
            forms.push((format!("base64, {shift} bytes later"), base64.clone()));
            forms.push((format!("base64 for URLs, {shift} later"), base64.replace('+', "-").replace('/', "_")));
        }
        Self { text, forms }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The way in which it stands in some bytes.
    pub(crate) fn found_in(&self, bytes: &[u8]) -> Option<&str> {
        // All forms are ASCII, which this leaves as it is; text is searched fast also without optimisation.
        let text = String::from_utf8_lossy(bytes);
        self.forms.iter().find(|(_, form)| text.contains(form.as_str())).map(|(name, _)| name.as_str())
    }

    #[track_caller]
    pub(crate) fn must_not_be_in(&self, what: &str, bytes: &[u8]) {
        if let Some(form) = self.found_in(bytes) {
            let near = String::from_utf8_lossy(bytes).into_owned();
            panic!("the canary is in {what}, {form}:\n{}", near.chars().take(20_000).collect::<String>());
        }
    }
}

/// Whole groups of three bytes as base64.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks_exact(3) {
        let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        for shift in [18, 12, 6, 0] {
            text.push(char::from(LETTERS[(bits >> shift & 63) as usize]));
        }
    }
    text
}

/// A search that finds nothing proves something only if it finds what is there.
#[test]
fn the_search_finds_the_canary_in_every_form() {
    let canary = Canary::new();
    let text = canary.text();
    assert_eq!(canary.found_in(b"nothing"), None);
    assert_eq!(canary.found_in(format!("a {text} b").as_bytes()), Some("plain"));
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(canary.found_in(&utf16), Some("UTF-16 LE"));
    for before in ["", "u", "us", "use", "user:"] {
        let all = format!("{before}{text}");
        let padded = &all.as_bytes()[..all.len() / 3 * 3];
        assert!(canary.found_in(base64(padded).as_bytes()).is_some_and(|form| form.starts_with("base64")), "{before}");
    }
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(canary.found_in(encoded.as_bytes()), Some("percent-encoded"));
    assert_eq!(canary.found_in(format!("{:?}", text.as_bytes()).as_bytes()), Some("list of bytes"));
}
