//! Line protocol: one point a line, escaped so that what is read is what was written.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::model::UnixMicros;

/// Points of one request.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: String,
    /// Where each line ends.
    ends: Vec<usize>,
}

/// A point that is being written: tags first, then fields, then the time.
#[derive(Debug)]
pub(super) struct Point<'a> {
    lines: &'a mut Lines,
    begun: usize,
    fields: usize,
}

/// Escapes a tag's value. A line's end cannot be written there, nor can a backslash stand at its end: whoever has such
/// text encodes it first.
fn push_tag(into: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            ',' | '=' | ' ' => {
                into.push('\\');
                into.push(c);
            }
            c if c.is_control() || c == '\\' => into.push('_'),
            c => into.push(c),
        }
    }
}

impl Lines {
    /// Begins a point. The measurement is a word of ours.
    pub(super) fn point(&mut self, measurement: &'static str) -> Point<'_> {
        let begun = self.text.len();
        self.text.push_str(measurement);
        Point { begun, fields: 0, lines: self }
    }

    /// Points there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Where a line begins.
    fn begin(&self, line: usize) -> usize {
        line.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0)
    }

    /// The lines from `from` to before `to`, compressed.
    pub(super) fn gzip(&self, from: usize, to: usize) -> io::Result<Vec<u8>> {
        gzip(&self.text.as_bytes()[self.begin(from)..self.begin(to)])
    }

    /// Of the lines from `from` to before `to` the oldest and the newest of each piece of the bucket, which is cut every
    /// `width_us`.
    pub(super) fn samples(&self, from: usize, to: usize, width_us: u64) -> Vec<Sample> {
        let mut ends: BTreeMap<u64, [(UnixMicros, usize); 2]> = BTreeMap::new();
        for line in from..to.min(self.len()) {
            let Some(time) = time_of(self.line(line)) else { continue };
            let one = (time, line);
            let [oldest, newest] = ends.entry(piece_of(time, width_us)).or_insert([one; 2]);
            *oldest = one.min(*oldest);
            *newest = one.max(*newest);
        }
        let mut lines: Vec<usize> = ends.into_values().flatten().map(|(_, line)| line).collect();
        lines.dedup();
        lines.into_iter().filter_map(|line| Sample::of(self.line(line))).collect()
    }

    fn line(&self, line: usize) -> &str {
        self.text.get(self.begin(line)..self.begin(line + 1)).unwrap_or_default().trim_end()
    }
}

/// The time at the end of a line.
fn time_of(line: &str) -> Option<UnixMicros> {
    let (_, time) = line.rsplit_once(' ')?;
    time.parse().ok().map(UnixMicros::new)
}

/// Which piece of a bucket a time is in. The server counts from the first day of the year 1.
pub(super) fn piece_of(time: UnixMicros, width_us: u64) -> u64 {
    const BEFORE_1970_US: u64 = 719_162 * 86_400_000_000;
    (u64::try_from(time.micros()).unwrap_or(0) + BEFORE_1970_US) / width_us.max(1)
}

/// A point by which it is seen whether those are there that were sent with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) measurement: String,
    /// Keys and values.
    pub(super) tags: Vec<(String, String)>,
    pub(super) time: UnixMicros,
    /// Its field `row`.
    pub(super) packed: String,
}

impl Sample {
    /// The point of a line of ours. No text holds `,row="` but at its end, and the packed row comes after all text. After
    /// the last instant there is none, so what lies there cannot be asked for.
    fn of(line: &str) -> Option<Self> {
        let time = time_of(line).filter(|time| *time < UnixMicros::MAX)?;
        let (_, packed) = line.rsplit_once(",row=\"").or_else(|| line.rsplit_once(" row=\""))?;
        let packed = packed.split('"').next()?.to_owned();
        let mut parts = vec![String::new()];
        let mut chars = line.chars();
        while let Some(c) = chars.next().filter(|c| *c != ' ') {
            match (c, parts.last_mut()) {
                ('\\', Some(part)) => part.extend(chars.next()),
                (',' | '=', _) => parts.push(String::new()),
                (c, Some(part)) => part.push(c),
                (_, None) => return None,
            }
        }
        let mut parts = parts.into_iter();
        let measurement = parts.next()?;
        let mut tags = Vec::new();
        while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
            tags.push((key, value));
        }
        Some(Self { measurement, tags, time, packed })
    }
}

/// Compresses, as fast as it can be done.
pub(super) fn gzip(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4 + 64), Compression::fast());
    encoder.write_all(text)?;
    encoder.finish()
}

impl Point<'_> {
    /// Adds a tag; an empty value is no tag.
    pub(super) fn tag(self, key: &'static str, value: &str) -> Self {
        if !value.is_empty() {
            let text = &mut self.lines.text;
            text.push(',');
            text.push_str(key);
            text.push('=');
            push_tag(text, value);
        }
        self
    }

    fn field(&mut self, key: &'static str) -> &mut String {
        let text = &mut self.lines.text;
        text.push(if self.fields == 0 { ' ' } else { ',' });
        self.fields += 1;
        text.push_str(key);
        text.push('=');
        text
    }

    /// Adds a text.
    pub(super) fn text(mut self, key: &'static str, value: &str) -> Self {
        let text = self.field(key);
        text.push('"');
        let mut rest = value;
        while let Some(at) = rest.find(['"', '\\']) {
            text.push_str(&rest[..at]);
            text.push('\\');
            text.push_str(&rest[at..=at]);
            rest = &rest[at + 1..];
        }
        text.push_str(rest);
        text.push('"');
        self
    }

    /// Adds a whole number.
    pub(super) fn number(mut self, key: &'static str, value: i64) -> Self {
        let text = self.field(key);
        push_number(text, value);
        text.push('i');
        self
    }

    /// Adds a whole number where there is one.
    pub(super) fn maybe(self, key: &'static str, value: Option<u32>) -> Self {
        match value {
            Some(value) => self.number(key, i64::from(value)),
            None => self,
        }
    }

    /// Ends the point.
    pub(super) fn at(self, time: UnixMicros) {
        debug_assert!(self.fields > 0 && self.begun < self.lines.text.len(), "a point has a field");
        self.lines.text.push(' ');
        push_number(&mut self.lines.text, time.micros());
        self.lines.text.push('\n');
        self.lines.ends.push(self.lines.text.len());
    }
}

fn push_number(text: &mut String, number: i64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        text.push('-');
    }
    text.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

/// A key of metadata as a tag's value: anything but plain characters by its bytes, so that every key is another value.
pub(super) fn key_tag(key: &str) -> String {
    use std::fmt::Write as _;
    let mut tag = String::with_capacity(key.len() + 1);
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':') {
            tag.push(char::from(byte));
        } else {
            let _ = write!(tag, "%{byte:02x}");
        }
    }
    if tag.is_empty() { "%".to_owned() } else { tag }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_a_line() {
        let mut lines = Lines::default();
        let time = UnixMicros::new(1_700_000_000_000_007);
        lines.point("m").tag("a", "b c,d=e").tag("none", "").text("t", "x\"y\\").number("n", i64::MIN).at(time);
        lines.point("m").number("n", 0).maybe("p", None).maybe("q", Some(7)).at(UnixMicros::MIN);
        let expected = "m,a=b\\ c\\,d\\=e t=\"x\\\"y\\\\\",n=-9223372036854775808i 1700000000000007\nm n=0i,q=7i 0\n";
        assert_eq!(lines.text, expected);
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn parts_are_cut_at_lines() {
        use std::io::Read as _;
        let mut lines = Lines::default();
        for at in 0..5 {
            lines.point("m").number("n", at).at(UnixMicros::MIN);
        }
        let read = |from, to| {
            let mut text = String::new();
            let packed = lines.gzip(from, to).expect("packs");
            flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("unpacks");
            text
        };
        assert_eq!(read(1, 3), "m n=1i 0\nm n=2i 0\n");
        assert_eq!(read(0, 5), lines.text);
        assert_eq!(read(2, 2), "");
    }

    #[test]
    fn samples_are_the_ends_of_each_piece() {
        let mut lines = Lines::default();
        let day = 86_400_000_000;
        let at = |days: u64| UnixMicros::new(1_767_225_600_000_000).plus_us(days * day);
        for (nth, days) in [3, 0, 9, 1, 2].into_iter().enumerate() {
            let packed = format!("1{nth}");
            lines
                .point("m")
                .tag("a", "b c,d=e")
                .tag("k", "v")
                .text("message", ",row=")
                .text("row", &packed)
                .at(at(days));
        }
        lines.point("m").text("row", "1x").text("seen", "1y").at(UnixMicros::MIN);
        // 2026-01-01 is a Thursday, and the server's weeks begin on Mondays.
        let samples = lines.samples(0, 6, 7 * day);
        let packed: Vec<&str> = samples.iter().map(|sample| sample.packed.as_str()).collect();
        assert_eq!(packed, ["1x", "11", "10", "12"]);
        assert_eq!(samples[2].tags, [("a".to_owned(), "b c,d=e".to_owned()), ("k".to_owned(), "v".to_owned())]);
        assert_eq!((samples[2].measurement.as_str(), samples[2].time), ("m", at(3)));
        assert_eq!((samples[0].tags.len(), samples[0].time), (0, UnixMicros::MIN));
        assert_eq!(lines.samples(3, 5, 7 * day).len(), 2);
        assert_eq!(lines.samples(2, 2, 7 * day), []);
    }

    #[test]
    fn every_key_is_another_tag() {
        let keys = ["", "%", "%25", "a b", "a\\", "ä", "a,b=c", "plain.key_1-2:3", "\n"];
        let tags: std::collections::BTreeSet<String> = keys.iter().map(|key| key_tag(key)).collect();
        assert_eq!(tags.len(), keys.len());
        assert!(tags.iter().all(|tag| !tag.is_empty() && tag.is_ascii() && !tag.contains([' ', ',', '=', '\\', '\n'])));
    }
}
