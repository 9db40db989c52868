//! Where each value of a file stands, in bytes.
//!
//! The parser says where a value starts, but not always where its line of dashes does, and an end of it may count in
//! blank space and comments. So ends are found in the text itself; where text and parser do not agree, the file is not
//! edited.

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::scan::{line_end, line_start, quoted_end, skip_gap, skip_properties, without_line_end};

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Item {
    /// Where it starts, anchor and tag included.
    pub(super) start: usize,
    /// Where it starts without them.
    pub(super) body: usize,
    /// Where it ends.
    pub(super) end: usize,
    pub(super) kind: Kind,
}

/// What stands there.
#[derive(Debug)]
pub(super) enum Kind {
    Scalar { text: String, style: Style },
    Alias,
    List { flow: bool, items: Vec<Item> },
    Map { form: Form, pairs: Vec<Pair> },
}

/// How a single value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Not at all.
    Absent,
    Plain,
    Single,
    Double,
    /// As lines after `|` or `>`.
    Lines,
}

/// How a map is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One key a line.
    Block,
    /// In braces.
    Flow,
    /// One pair inside brackets, without braces.
    Bare,
}

/// A key with its value.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: Item,
    pub(super) value: Item,
}

impl Item {
    /// The pairs, where it is a map.
    pub(super) fn pairs(&self) -> &[Pair] {
        match &self.kind {
            Kind::Map { pairs, .. } => pairs,
            _ => &[],
        }
    }

    /// The items, where it is a list.
    pub(super) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List { items, .. } => items,
            _ => &[],
        }
    }

    /// The text, where it is a single value.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The pair with a key in any case.
    pub(super) fn pair(&self, name: &str) -> Option<&Pair> {
        self.pairs().iter().find(|pair| pair.word().eq_ignore_ascii_case(name))
    }

    /// Whether it is in brackets or braces.
    pub(super) fn is_flow(&self) -> bool {
        matches!(self.kind, Kind::List { flow: true, .. } | Kind::Map { form: Form::Flow | Form::Bare, .. })
    }
}

impl Pair {
    /// The key's text.
    pub(super) fn word(&self) -> &str {
        self.key.text().unwrap_or_default()
    }

    /// Whether it merges another map into this one: in quotes it is a key as any other.
    pub(super) fn is_merge(&self) -> bool {
        matches!(&self.key.kind, Kind::Scalar { text, style: Style::Plain } if text == "<<")
    }
}

/// Text and parser do not agree about what stands here (a byte index).
#[derive(Debug)]
pub(super) struct Unclear(pub(super) usize);

/// Reads the one document of a text that has been parsed before; none where there is no document.
pub(super) fn read(text: &str) -> Result<Option<Item>, Unclear> {
    let mut builder = Builder { text, frames: Vec::new(), root: None };
    let offsets = Offsets::of(text);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|fault| Unclear(offsets.byte(fault.marker().index())))?;
        builder.take(event, offsets.byte(span.start.index()), offsets.byte(span.end.index()))?;
    }
    Ok(builder.root)
}

/// Bytes of characters; the parser counts the latter.
struct Offsets(Option<Vec<usize>>, usize);

impl Offsets {
    fn of(text: &str) -> Self {
        let offsets = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        Self(offsets, text.len())
    }

    fn byte(&self, index: usize) -> usize {
        match &self.0 {
            Some(offsets) => offsets.get(index).copied().unwrap_or(self.1),
            None => index.min(self.1),
        }
    }
}

/// A list or a map that is not closed yet.
struct Frame {
    start: usize,
    body: usize,
    kind: Kind,
    /// A key whose value comes next.
    key: Option<Item>,
    /// Where what was read of it ends.
    last: usize,
}

struct Builder<'t> {
    text: &'t str,
    frames: Vec<Frame>,
    root: Option<Item>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, from: usize, to: usize) -> Result<(), Unclear> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let item = self.scalar(text.into_owned(), style, anchor > 0 || tag.is_some(), from, to)?;
                self.finish(item);
            }
            Event::Alias(_) => {
                let end = from + self.text[from..to].trim_end().len();
                self.expect(self.node_start(from)? == from, from)?;
                self.finish(Item { start: from, body: from, end, kind: Kind::Alias });
            }
            Event::SequenceStart(anchor, tag) => self.list(anchor > 0 || tag.is_some(), from)?,
            Event::MappingStart(anchor, tag) => self.map(anchor > 0 || tag.is_some(), from)?,
            Event::SequenceEnd | Event::MappingEnd => self.close(from)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn expect(&self, holds: bool, at: usize) -> Result<(), Unclear> {
        if holds { Ok(()) } else { Err(Unclear(at)) }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// Right after the mark that introduces the next value: a dash, a colon, a comma. `from` is the parser's word for
    /// the document itself, which has no mark.
    fn after_mark(&self, from: usize) -> Result<usize, Unclear> {
        let Some(frame) = self.frames.last() else { return Ok(from) };
        let at = skip_gap(self.text, frame.last);
        let mark = self.byte(at);
        match (&frame.kind, &frame.key) {
            (Kind::List { flow: false, .. }, _) => self.expect(mark == Some(b'-'), at).map(|()| at + 1),
            (Kind::List { .. }, _) => Ok(if mark == Some(b',') { at + 1 } else { at }),
            (_, Some(_)) => Ok(if mark == Some(b':') { at + 1 } else { frame.last }),
            (_, None) => {
                let at = if mark == Some(b',') { skip_gap(self.text, at + 1) } else { at };
                let explicit = ["? ", "?\n", "?\r"].iter().any(|mark| self.text[at..].starts_with(mark));
                Ok(if explicit { at + 1 } else { at })
            }
        }
    }

    fn node_start(&self, from: usize) -> Result<usize, Unclear> {
        Ok(skip_gap(self.text, self.after_mark(from)?))
    }

    fn scalar(
        &self,
        text: String,
        style: ScalarStyle,
        properties: bool,
        from: usize,
        to: usize,
    ) -> Result<Item, Unclear> {
        let start = self.node_start(from)?;
        let (after, body) = if properties { skip_properties(self.text, start) } else { (start, start) };
        if text.is_empty() && style == ScalarStyle::Plain {
            let (start, end) = if properties { (start, after) } else { [self.after_mark(from)?; 2].into() };
            return Ok(Item { start, body: end, end, kind: Kind::Scalar { text, style: Style::Absent } });
        }
        let (style, end) = match style {
            ScalarStyle::Plain => {
                self.expect(start == from && body < to, from)?;
                (Style::Plain, body + self.text[body..to].trim_end().len())
            }
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                self.expect(start == from, from)?;
                let end = quoted_end(self.text, body).ok_or(Unclear(from))?;
                (if style == ScalarStyle::SingleQuoted { Style::Single } else { Style::Double }, end)
            }
            ScalarStyle::Literal | ScalarStyle::Folded => (Style::Lines, self.lines_end(body, to)?),
        };
        Ok(Item { start, body, end, kind: Kind::Scalar { text, style } })
    }

    /// The end of lines after `|` or `>`, before the last line end. Blank lines after them count only where `+` says so.
    fn lines_end(&self, body: usize, to: usize) -> Result<usize, Unclear> {
        self.expect(matches!(self.byte(body), Some(b'|' | b'>')), body)?;
        let head_end = line_end(self.text, body);
        let head = self.text[body..head_end].split([' ', '\t']).next().unwrap_or_default();
        let end = if head.contains('+') {
            let start = line_start(self.text, to.max(head_end));
            let is_indentation = self.text[start..to.max(start)].trim().is_empty();
            let before = &self.text[..if is_indentation { start } else { to }];
            without_line_end(before).unwrap_or(before).len()
        } else {
            line_end(self.text, self.text[..to.max(body + 1)].trim_end().len())
        };
        Ok(end.max(head_end))
    }

    fn list(&mut self, properties: bool, from: usize) -> Result<(), Unclear> {
        let start = self.node_start(from)?;
        let body = if properties { skip_properties(self.text, start).1 } else { start };
        let flow = self.byte(body) == Some(b'[');
        self.expect(flow || self.byte(body) == Some(b'-'), body)?;
        let last = if flow { body + 1 } else { body };
        self.frames.push(Frame { start, body, kind: Kind::List { flow, items: Vec::new() }, key: None, last });
        Ok(())
    }

    fn map(&mut self, properties: bool, from: usize) -> Result<(), Unclear> {
        let start = self.node_start(from)?;
        let body = if properties { skip_properties(self.text, start).1 } else { start };
        let in_flow = self.frames.last().is_some_and(|frame| match &frame.kind {
            Kind::List { flow, .. } => *flow,
            Kind::Map { form, .. } => *form != Form::Block,
            _ => false,
        });
        let form = match self.byte(body) {
            Some(b'{') => Form::Flow,
            _ if in_flow => Form::Bare,
            _ => Form::Block,
        };
        let last = if form == Form::Flow { body + 1 } else { body };
        self.frames.push(Frame { start, body, kind: Kind::Map { form, pairs: Vec::new() }, key: None, last });
        Ok(())
    }

    fn close(&mut self, from: usize) -> Result<(), Unclear> {
        let Some(Frame { start, body, kind, last, .. }) = self.frames.pop() else { return Err(Unclear(from)) };
        let bracket = match kind {
            Kind::List { flow: true, .. } => Some(b']'),
            Kind::Map { form: Form::Flow, .. } => Some(b'}'),
            _ => None,
        };
        let mut end = last;
        if let Some(bracket) = bracket {
            end = skip_gap(self.text, end);
            if self.byte(end) == Some(b',') {
                end = skip_gap(self.text, end + 1);
            }
            self.expect(self.byte(end) == Some(bracket), end)?;
            end += 1;
        }
        self.finish(Item { start, body, end, kind });
        Ok(())
    }

    /// Puts a finished value where it belongs.
    fn finish(&mut self, item: Item) {
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(item);
            return;
        };
        frame.last = item.end;
        match &mut frame.kind {
            Kind::List { items, .. } => items.push(item),
            Kind::Map { pairs, .. } => match frame.key.take() {
                Some(key) => pairs.push(Pair { key, value: item }),
                None => frame.key = Some(item),
            },
            Kind::Scalar { .. } | Kind::Alias => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every single value as it stands in the text, with the ends of what holds them.
    fn show(text: &str, item: &Item) -> String {
        match &item.kind {
            Kind::Scalar { .. } | Kind::Alias => format!("<{}>", &text[item.start..item.end]),
            Kind::List { flow, items } => {
                let inner: Vec<_> = items.iter().map(|item| show(text, item)).collect();
                assert_eq!(*flow, text[item.body..item.end].starts_with('['));
                format!("[{}]", inner.join(" "))
            }
            Kind::Map { form, pairs } => {
                let pair = |pair: &Pair| format!("{}={}", show(text, &pair.key), show(text, &pair.value));
                let inner: Vec<_> = pairs.iter().map(pair).collect();
                assert_eq!(
                    *form == Form::Flow,
                    text[item.body..item.end].ends_with('}') && text[item.body..].starts_with('{')
                );
                format!("{{{}}}", inner.join(" "))
            }
        }
    }

    fn shown(text: &str) -> String {
        let root = read(text).unwrap_or_else(|unclear| panic!("{text}\nis unclear at {}", unclear.0));
        show(text, &root.expect("a document"))
    }

    #[test]
    fn values_stand_where_they_stand() {
        for (text, expected) in [
            ("ä: ö # c\nb: 'x' \r\nc: \"y\\\"\" # d\n", "{<ä>=<ö> <b>=<'x'> <c>=<\"y\\\"\">}"),
            ("a:\n- &x {b: c , d , \"e\" , f: , }\n-\n- *x\n", "{<a>=[{<b>=<c> <d>=<> <\"e\">=<> <f>=<>} <> <*x>]}"),
            ("a: |\n  &x\n\nb: >+\n  y\n\n\nc: &z |-\n  q\n", "{<a>=<|\n  &x> <b>=<>+\n  y\n\n> <c>=<&z |-\n  q>}"),
            ("- - a\n  - b\n- [c, d: e, ]\n", "[[<a> <b>] [<c> {<d>=<e>}]]"),
            ("a: &q\n- # c\n  b: c\nd: !!str # e\n? f\n: g\n? h\n", "{<a>=[{<b>=<c>}] <d>=<!!str> <f>=<g> <h>=<>}"),
            ("a: b\n  c\nd:\n  # x\n  'e\n\n  f'\n", "{<a>=<b\n  c> <d>=<'e\n\n  f'>}"),
            ("{a: [], b: {}, 'c':d, e: # f\n g}", "{<a>=[] <b>={} <'c'>=<d> <e>=<g>}"),
            ("a: &b {x: ~}\nc: {<<: *b}\n", "{<a>={<x>=<~>} <c>={<<<>=<*b>}}"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        assert!(read("# nothing\n").is_ok_and(|root| root.is_none()));
    }
}
