//! A record of a table, and the quotes of its fields.
//!
//! A quote opens a field where it is its first byte, and closes it where a delimiter or the end of the line follows. Within, a
//! quote is written twice, as RFC 4180 and pandas do, or behind a backslash, as R does; of the two ways, a record is read in the
//! one that closes each of its quotes and gives as many fields as the others have. Where neither does, the quote is none.

use crate::source::text::fields::is_number;

/// The most lines that a field in quotes may have, and the most bytes of those behind the first.
const MOST_LINES: usize = 100;
const MOST_BYTES: usize = 64 << 10;

/// The fields of a record, without their quotes.
#[derive(Debug, Default, Clone)]
pub(crate) struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// How many fields were in quotes.
    pub(super) quoted: usize,
    /// Whether a quoted one needed that: it holds a delimiter, a quote or a newline.
    pub(super) needed: bool,
    /// Whether a quote opens a field that nothing closes: its fields are those of a line without quotes.
    pub(super) unclosed: bool,
}

impl Record {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, field: usize) -> Option<&[u8]> {
        let end = *self.ends.get(field)?;
        let start = field.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[start..end])
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        (0..self.len()).map(|field| &self[field])
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        (self.quoted, self.needed, self.unclosed) = (0, false, false);
    }

    fn end_field(&mut self) {
        self.ends.push(self.bytes.len());
    }
}

impl std::ops::Index<usize> for Record {
    type Output = [u8];

    fn index(&self, field: usize) -> &[u8] {
        self.get(field).expect("a field of the record")
    }
}

/// How a quote is written within quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inner {
    Twice,
    Backslash,
}

/// What the quotes of a text are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// Each one is closed.
    Closed,
    /// The last one may be closed on a later line.
    Open,
    /// Something else than a delimiter stands behind one that closes.
    Broken,
}

/// What is known of a table's records before one is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub delimiter: u8,
    /// What ends a line: a carriage return, where no newline is to be seen.
    pub newline: u8,
    /// Whether quotes around a field are no part of it.
    pub quoting: bool,
    /// How many fields most records have, once that is known.
    pub fields: Option<usize>,
    /// Whether a blank stands before numbers.
    pub blanks: bool,
}

/// What stands at the beginning of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    End,
    /// A line without anything on it, so many bytes long.
    Blank(usize),
    /// A record, so many bytes long.
    Record(usize),
    /// The first part of a record; the rest has not been read.
    Part,
}

impl Form {
    /// The records of `text`, behind which more may stand unless it has `ended`.
    pub(super) fn records(self, text: &[u8], ended: bool) -> impl Iterator<Item = Record> {
        let mut rest = text;
        std::iter::from_fn(move || {
            let mut record = Record::default();
            loop {
                let (length, is_record) = match self.next(rest, ended, &mut record) {
                    Next::End | Next::Part => return None,
                    Next::Blank(length) => (length, false),
                    Next::Record(length) => (length, true),
                };
                rest = &rest[length..];
                if is_record {
                    return Some(record);
                }
            }
        })
    }

    /// How many bytes of `text` are whole records, behind which more may stand unless it has `ended`.
    pub(super) fn whole(&self, text: &[u8], ended: bool, record: &mut Record) -> usize {
        if ended {
            return text.len();
        }
        let lines = |text: &[u8]| memchr::memrchr(self.newline, text).map_or(0, |newline| newline + 1);
        let mut end = 0;
        // A line without a quote is a record, unless one before it goes on there.
        while self.quoting
            && let Some(quote) = memchr::memchr(b'"', &text[end..])
        {
            end += lines(&text[end..end + quote]);
            match self.next(&text[end..], ended, record) {
                Next::Blank(length) | Next::Record(length) => end += length,
                Next::Part | Next::End => return end,
            }
        }
        end + lines(&text[end..])
    }

    /// Takes apart the first record of `text`, behind which more may stand unless it has `ended`.
    pub(super) fn next(&self, text: &[u8], ended: bool, record: &mut Record) -> Next {
        if text.is_empty() {
            return if ended { Next::End } else { Next::Part };
        }
        let Some(first) = self.line_end(text, 0, ended) else { return Next::Part };
        let length = |line: usize| (line + 1).min(text.len());
        let line = self.line(text, 0, first);
        if line.is_empty() {
            return Next::Blank(length(first));
        }
        match self.quotes(line, record) {
            Quotes::Closed => return Next::Record(length(first)),
            Quotes::Open if !self.is_row(line) => {
                let mut end = first;
                for _ in 1..MOST_LINES {
                    let start = end + 1;
                    if start >= text.len() || end - first > MOST_BYTES {
                        if !ended && end - first <= MOST_BYTES {
                            return Next::Part;
                        }
                        break;
                    }
                    let Some(next) = self.line_end(text, start, ended) else { return Next::Part };
                    end = next;
                    match self.quotes(self.line(text, 0, end), record) {
                        Quotes::Closed if self.fits(record) => return Next::Record(length(end)),
                        Quotes::Open if !self.is_row(self.line(text, start, end)) => {}
                        _ => break,
                    }
                }
            }
            Quotes::Open | Quotes::Broken => {}
        }
        self.split(line, None, record);
        record.unclosed = true;
        Next::Record(length(first))
    }

    /// Where the line that begins at `start` ends.
    fn line_end(&self, text: &[u8], start: usize, ended: bool) -> Option<usize> {
        let end = memchr::memchr(self.newline, &text[start..]).map(|end| start + end);
        end.or(ended.then_some(text.len()))
    }

    /// A line or several, without the carriage return at the end.
    fn line<'t>(&self, text: &'t [u8], start: usize, end: usize) -> &'t [u8] {
        let line = &text[start..end];
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// Whether a record has as many fields as the others.
    fn fits(&self, record: &Record) -> bool {
        self.fields.is_none_or(|fields| fields == record.len())
    }

    /// Whether a line is a row whatever its quotes are, its last fields numbers: one before it opens no field that this one closes.
    fn is_row(&self, line: &[u8]) -> bool {
        let mut parts: Vec<&[u8]> = line.split(|&byte| byte == self.delimiter).collect();
        let Some(fields) = self.fields.filter(|&fields| fields <= parts.len()) else { return false };
        // A number of the row may stand before the word, and a delimiter behind the last one.
        let numbers = fields.saturating_sub(2).max(1);
        parts.pop_if(|last| last.is_empty());
        let is_number = |part: &&[u8]| {
            let part = if self.blanks { part.trim_ascii() } else { part.trim_ascii_end() };
            is_number(part.strip_prefix(b"\"").and_then(|part| part.strip_suffix(b"\"")).unwrap_or(part))
        };
        parts.len() >= numbers && parts[parts.len() - numbers..].iter().all(is_number)
    }

    /// Takes apart a line, or several, in the way that closes all quotes.
    fn quotes(&self, line: &[u8], record: &mut Record) -> Quotes {
        if !self.quoting || !line.contains(&b'"') {
            return self.split(line, None, record);
        }
        let twice = self.split(line, Some(Inner::Twice), record);
        if twice == Quotes::Closed && self.fits(record) || !line.windows(2).any(|pair| pair == b"\\\"") {
            return twice;
        }
        match self.split(line, Some(Inner::Backslash), record) {
            Quotes::Closed if self.fits(record) || twice != Quotes::Closed => Quotes::Closed,
            _ if twice == Quotes::Closed => self.split(line, Some(Inner::Twice), record),
            Quotes::Open => Quotes::Open,
            _ => twice,
        }
    }

    /// Takes apart a line, or several, with quotes in one way or as bytes like others.
    fn split(&self, line: &[u8], inner: Option<Inner>, record: &mut Record) -> Quotes {
        record.clear();
        let mut at = 0;
        loop {
            if let Some(inner) = inner
                && line.get(at) == Some(&b'"')
            {
                let Some(end) = self.quoted_field(line, at, inner, record) else { return Quotes::Open };
                at = end;
                if line.get(at).is_some_and(|&byte| byte != self.delimiter) {
                    return Quotes::Broken;
                }
            } else {
                let end = memchr::memchr(self.delimiter, &line[at..]).map_or(line.len(), |end| at + end);
                record.bytes.extend_from_slice(&line[at..end]);
                at = end;
            }
            record.end_field();
            if at == line.len() {
                return Quotes::Closed;
            }
            at += 1;
        }
    }

    /// Appends the field that the quote at `open` opens, and says where it ends; `None` where no quote closes it.
    fn quoted_field(&self, line: &[u8], open: usize, inner: Inner, record: &mut Record) -> Option<usize> {
        let (mut from, begin) = (open + 1, record.bytes.len());
        loop {
            let quote = from + memchr::memchr(b'"', &line[from..])?;
            let before = &line[from..quote];
            match inner {
                Inner::Twice if line.get(quote + 1) == Some(&b'"') => {
                    record.bytes.extend_from_slice(before);
                    from = quote + 2;
                }
                Inner::Backslash if before.ends_with(b"\\") => {
                    record.bytes.extend_from_slice(&before[..before.len() - 1]);
                    from = quote + 1;
                }
                _ => {
                    record.bytes.extend_from_slice(before);
                    record.quoted += 1;
                    let special = |byte: &u8| *byte == self.delimiter || *byte == self.newline || *byte == b'"';
                    record.needed |= record.bytes[begin..].iter().any(special);
                    return Some(quote + 1);
                }
            }
            record.bytes.push(b'"');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form { delimiter: b',', newline: b'\n', quoting: true, fields: Some(3), blanks: false };

    /// The records of a text, their fields with bars between them; `?` where a quote is not closed.
    fn records(text: &str, form: Form) -> Vec<String> {
        let shown = |record: Record| {
            let fields: Vec<_> = record.iter().map(String::from_utf8_lossy).collect();
            format!("{}{}", fields.join("|"), if record.unclosed { "?" } else { "" })
        };
        form.records(text.as_bytes(), true).map(shown).collect()
    }

    #[test]
    fn quotes_are_read_as_they_were_written() {
        let spaced = Form { delimiter: b' ', ..FORM };
        for (text, form, expected) in [
            ("a,1,2\r\n\r\nb,3,4", FORM, &["a|1|2", "b|3|4"][..]),
            ("\"a,b\",1,2\n\"\"\"\",3,4\n", FORM, &["a,b|1|2", "\"|3|4"]),
            ("\"a\nb\",1,2\nc,3,4\n", FORM, &["a\nb|1|2", "c|3|4"]),
            ("\"a\",\"1\",\"2\"\n", FORM, &["a|1|2"]),
            ("5\",1,2\n", FORM, &["5\"|1|2"]),
            // R's backslashes, of which a word may have one at its end.
            ("\"o\\\"clock\" 1 2\n\"\\\" 3 4\n\"\\\"\" 5 6\n", spaced, &["o\"clock|1|2", "\\|3|4", "\"|5|6"]),
            ("\"a\\\" b\" 1 2\n\"say \\\"hi\\\"\" 3 4\n", spaced, &["a\" b|1|2", "say \"hi\"|3|4"]),
            ("\"\\\\\"\" 1 2\n", spaced, &["\\\"|1|2"]),
            // pandas' quotes behind a backslash.
            ("\"say \\\"\"hi\\\"\"\",1,2\n\"C:\\\",3,4\n", FORM, &["say \\\"hi\\\"|1|2", "C:\\|3|4"]),
            // None of these is a quote, and no row is lost to it.
            ("\",1,2\nb,3,4\n\",5,6\n", FORM, &["\"|1|2?", "b|3|4", "\"|5|6?"]),
            ("\"foo,1,2\n\"bar,3,4\n", FORM, &["\"foo|1|2?", "\"bar|3|4?"]),
            ("\"foo,1,2\nbar\",3,4\n", FORM, &["\"foo|1|2?", "bar\"|3|4"]),
            ("\"a\"b,1,2\n", FORM, &["\"a\"b|1|2?"]),
            ("\", 1, 2\nb, 3, 4\n\", 5, 6\n", Form { blanks: true, ..FORM }, &["\"| 1| 2?", "b| 3| 4", "\"| 5| 6?"]),
            // In prose a blank stands behind a comma.
            ("\"Room, 12, 15\nfoo\",3,4\n", FORM, &["Room, 12, 15\nfoo|3|4"]),
            ("\"a\",1\r\"b\",2\r", Form { newline: b'\r', fields: Some(2), ..FORM }, &["a|1", "b|2"]),
            ("\"a,b\",1,2\n", Form { quoting: false, ..FORM }, &["\"a|b\"|1|2"]),
        ] {
            assert_eq!(records(text, form), expected, "{text:?}");
        }
    }

    #[test]
    fn a_part_is_none_of_the_records() {
        let mut record = Record::default();
        for (text, whole) in [("a,1,2\n\"b\nc\",3,", 6), ("\"\"\"\",1,2\n\nb,3", 10), ("b,1,2\nc,3", 6)] {
            assert_eq!(FORM.whole(text.as_bytes(), false, &mut record), whole, "{text:?}");
            assert_eq!(FORM.whole(text.as_bytes(), true, &mut record), text.len(), "{text:?}");
        }
        for part in ["", "a,1", "\"a\n", "\"a\nb\",1,"] {
            assert_eq!(FORM.next(part.as_bytes(), false, &mut record), Next::Part, "{part:?}");
        }
        let endless = "\"\n".to_string() + &"x\n".repeat(MOST_BYTES);
        assert_eq!(FORM.next(endless.as_bytes(), false, &mut record), Next::Record(2));
        assert!(record.unclosed);
    }
}
