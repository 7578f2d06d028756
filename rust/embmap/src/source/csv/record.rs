//! A record of a table, and the quotes of its fields.
//!
//! A quote opens a field where it is its first byte, and closes it where no other stands before the next delimiter or the end of
//! the line. Within, a quote is written twice, as RFC 4180 and pandas do, or behind a backslash, as R does; of the two ways, a
//! record is read in the one that closes each of its quotes and gives as many fields as the others have. Where neither does, the
//! quote is none.

use crate::source::text::fields::is_number;

/// The most bytes behind the line that a field in quotes begins on.
const MOST_BYTES: usize = 1 << 20;

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
    /// Whether the last field that was in quotes goes over several lines.
    spans: bool,
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
    /// Behind a backslash, which itself is written once.
    Backslash,
    /// Behind a backslash, which itself is written twice.
    Escaped,
}

/// Where a record ends whose quotes are read in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Behind its last byte; each quote is closed.
    At(usize),
    /// Behind what has been read.
    Beyond,
    /// Nowhere: no quote closes what one has opened, or rows stand before it.
    Nowhere,
}

/// What is known of a table's records before one is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub delimiter: u8,
    /// What ends a line: a carriage return, where no newline is to be seen.
    pub newline: u8,
    /// Whether quotes around a field are no part of it.
    pub quoting: bool,
    /// Whether a backslash in quotes is written twice where it stands for itself.
    pub escapes: bool,
    /// How many fields most records have, once that is known.
    pub fields: Option<usize>,
    /// Whether a blank stands before numbers.
    pub blanks: bool,
}

/// What stands next in a text.
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

/// Takes the records of a text apart, one after the other.
pub(super) struct Records<'t> {
    form: Form,
    text: &'t [u8],
    /// Whether nothing stands behind the text.
    ended: bool,
    /// Where the next record begins.
    pub at: usize,
    /// Where the last quote was given up that nothing closes: what was read once in vain is not read again.
    barren: usize,
}

impl<'t> Records<'t> {
    pub(super) fn new(form: Form, text: &'t [u8], ended: bool) -> Records<'t> {
        Records { form, text, ended, at: 0, barren: 0 }
    }

    /// The records from here on.
    pub(super) fn all(mut self) -> impl Iterator<Item = Record> {
        std::iter::from_fn(move || {
            let mut record = Record::default();
            loop {
                match self.next(&mut record) {
                    Next::End | Next::Part => return None,
                    Next::Blank(_) => {}
                    Next::Record(_) => return Some(record),
                }
            }
        })
    }

    /// The last bytes that were read.
    pub(super) fn before(&self, length: usize) -> &'t [u8] {
        &self.text[self.at - length..self.at]
    }

    /// How many bytes are whole records.
    pub(super) fn whole(&mut self, record: &mut Record) -> usize {
        if self.ended {
            return self.text.len();
        }
        let newline = self.form.newline;
        let lines = |text: &[u8]| memchr::memrchr(newline, text).map_or(0, |newline| newline + 1);
        // A line without a quote is a record, unless one before it goes on there.
        while self.form.quoting
            && let Some(quote) = memchr::memchr(b'"', &self.text[self.at..])
        {
            self.at += lines(&self.text[self.at..self.at + quote]);
            if let Next::Part | Next::End = self.next(record) {
                return self.at;
            }
        }
        self.at + lines(&self.text[self.at..])
    }

    /// Takes apart the next record.
    pub(super) fn next(&mut self, record: &mut Record) -> Next {
        // The last line may have been read with a newline that the text has not.
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return if self.ended { Next::End } else { Next::Part };
        }
        let newline = memchr::memchr(self.form.newline, rest);
        let Some(first) = newline.or(self.ended.then_some(rest.len())) else { return Next::Part };
        let length = |end: usize| (end + 1).min(rest.len());
        let line = without_return(&rest[..first]);
        if line.is_empty() {
            self.at += length(first);
            return Next::Blank(length(first));
        }
        let end =
            if self.form.quoting && line.contains(&b'"') { self.quoted(rest, first, record) } else { End::Nowhere };
        let end = match end {
            End::At(end) => end,
            End::Beyond => return Next::Part,
            End::Nowhere => {
                record.clear();
                self.form.plain(line, record);
                record.unclosed = self.form.quoting && opens_a_field(line, self.form.delimiter);
                first
            }
        };
        self.at += length(end);
        Next::Record(length(end))
    }

    /// Reads a record with quotes, whose first line is `rest[..first]`, in the way that closes them all and gives as many
    /// fields as others have.
    fn quoted(&mut self, rest: &[u8], first: usize, record: &mut Record) -> End {
        let form = self.form;
        let (usual, other) =
            if form.escapes { (Inner::Escaped, Inner::Twice) } else { (Inner::Twice, Inner::Backslash) };
        let fits = |end: End, record: &Record| matches!(end, End::At(_)) && form.fits(record);
        let (alone, _) = form.record(&rest[..first], End::At(first), usual, record);
        if fits(alone, record) {
            return alone;
        }
        // A row is one, whatever its quotes are.
        let is_alone = self.at < self.barren || form.is_row(without_return(&rest[..first]));
        let limit = if is_alone { first } else { rest.len().min(first + MOST_BYTES) };
        let behind = match (is_alone || limit == rest.len(), is_alone || self.ended) {
            (true, true) => End::At(limit),
            (true, false) => End::Beyond,
            (false, _) => End::Nowhere,
        };
        let text = &rest[..limit];
        let (first_end, mut reached) = form.record(text, behind, usual, record);
        let has_other = form.escapes || rest[..first].windows(2).any(|pair| pair == b"\\\"");
        if fits(first_end, record) || (!has_other && first_end != End::Nowhere) {
            return first_end;
        }
        if has_other {
            let (other_end, looked_at) = form.record(text, behind, other, record);
            match (first_end, other_end) {
                (_, End::At(_)) if form.fits(record) => return other_end,
                (End::At(_), End::Nowhere | End::At(_)) => return form.record(text, behind, usual, record).0,
                (End::Nowhere, End::Nowhere) => reached = reached.max(looked_at),
                (End::Beyond, End::Nowhere) => return first_end,
                (_, End::At(_) | End::Beyond) => return other_end,
            }
        }
        self.barren = self.barren.max(self.at + reached);
        End::Nowhere
    }
}

impl Form {
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

    /// Takes apart a line whose quotes are bytes like others.
    fn plain(&self, line: &[u8], record: &mut Record) {
        for field in line.split(|&byte| byte == self.delimiter) {
            record.bytes.extend_from_slice(field);
            record.end_field();
        }
    }

    /// Takes apart the record that begins a text, with quotes in one way, and says how far it has looked; `behind` is where
    /// a record ends that the whole text is.
    fn record(&self, text: &[u8], behind: End, inner: Inner, record: &mut Record) -> (End, usize) {
        record.clear();
        let mut at = 0;
        loop {
            let in_quotes = text.get(at) == Some(&b'"');
            if in_quotes {
                let Some(close) = self.quoted_field(text, at, inner, record) else {
                    return (if behind == End::Beyond { behind } else { End::Nowhere }, text.len());
                };
                if self.has_rows(&text[at..close]) {
                    return (End::Nowhere, close);
                }
                at = close;
            }
            let end = memchr::memchr2(self.delimiter, self.newline, &text[at..]).map(|end| at + end);
            let is_last = end.is_none_or(|end| text[end] == self.newline);
            let field = &text[at..end.unwrap_or(text.len())];
            if !self.end_field(if is_last { without_return(field) } else { field }, in_quotes, record) {
                return (End::Nowhere, end.unwrap_or(text.len()));
            }
            match end {
                None => return (behind, text.len()),
                Some(end) if is_last => return (End::At(end), end),
                Some(end) => at = end + 1,
            }
        }
    }

    /// Ends a field with what stands before the delimiter, which may be more than a closing quote, but no other quote.
    fn end_field(&self, rest: &[u8], in_quotes: bool, record: &mut Record) -> bool {
        if in_quotes && (rest.contains(&b'"') || (record.spans && !rest.is_empty())) {
            return false;
        }
        // Blanks between a quote and a delimiter are padding.
        if !in_quotes || !rest.trim_ascii().is_empty() {
            record.bytes.extend_from_slice(rest);
        }
        record.end_field();
        true
    }

    /// Whether rows stand between two lines of a field.
    fn has_rows(&self, field: &[u8]) -> bool {
        let mut lines = field.split(|&byte| byte == self.newline);
        lines.next();
        lines.next_back();
        lines.any(|line| self.is_row(without_return(line)))
    }

    /// Appends the field that the quote at `open` opens, and says what it ends before; `None` where no quote closes it.
    fn quoted_field(&self, text: &[u8], open: usize, inner: Inner, record: &mut Record) -> Option<usize> {
        let (mut from, begin) = (open + 1, record.bytes.len());
        loop {
            let quote = from + memchr::memchr(b'"', &text[from..])?;
            let before = &text[from..quote];
            let backslashes = before.iter().rev().take_while(|&&byte| byte == b'\\').count();
            let is_inner = match inner {
                Inner::Twice => text.get(quote + 1) == Some(&b'"'),
                Inner::Backslash => backslashes > 0,
                Inner::Escaped => backslashes % 2 == 1,
            };
            let kept = if is_inner && inner != Inner::Twice { &before[..before.len() - 1] } else { before };
            if inner == Inner::Escaped {
                unescape(kept, &mut record.bytes);
            } else {
                record.bytes.extend_from_slice(kept);
            }
            if !is_inner {
                record.quoted += 1;
                let field = &record.bytes[begin..];
                let special = |byte: &u8| *byte == self.delimiter || *byte == self.newline || *byte == b'"';
                record.needed |= field.iter().any(special);
                record.spans = field.contains(&self.newline);
                return Some(quote + 1);
            }
            record.bytes.push(b'"');
            from = quote + if inner == Inner::Twice { 2 } else { 1 };
        }
    }
}

/// Appends a text, each backslash that is written twice once.
fn unescape(text: &[u8], bytes: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        bytes.extend_from_slice(&rest[..=at]);
        rest = &rest[at + 1..];
        rest = rest.strip_prefix(b"\\").unwrap_or(rest);
    }
    bytes.extend_from_slice(rest);
}

/// Whether a quote stands where a field begins.
fn opens_a_field(line: &[u8], delimiter: u8) -> bool {
    line.split(|&byte| byte == delimiter).any(|field| field.starts_with(b"\""))
}

/// A line without the carriage return at its end.
fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form =
        Form { delimiter: b',', newline: b'\n', quoting: true, escapes: false, fields: Some(3), blanks: false };

    /// The records of a text, their fields with bars between them; `?` where a quote is not closed.
    fn records(text: &str, form: Form) -> Vec<String> {
        let shown = |record: Record| {
            let fields: Vec<_> = record.iter().map(String::from_utf8_lossy).collect();
            format!("{}{}", fields.join("|"), if record.unclosed { "?" } else { "" })
        };
        Records::new(form, text.as_bytes(), true).all().map(shown).collect()
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
            ("\"a\"b,1,2\n\"a\"b\",3,4\n", FORM, &["ab|1|2", "\"a\"b\"|3|4?"]),
            ("\"a\" ,1,2\n\"b\" 3,4,5 \n", FORM, &["a|1|2", "b 3|4|5 "]),
            ("\"a\nb\",1\n\"c\nd\" e,1,2\n", FORM, &["a\nb|1", "\"c?", "d\" e|1|2"]),
            ("\"a\n1,2,3\nb\",1,2\n", FORM, &["\"a?", "1|2|3", "b\"|1|2"]),
            // A backslash before a quote and before itself.
            ("\"C:\\\\x\",1,2\n\"\\\"\\\\\",3,4\n", Form { escapes: true, ..FORM }, &["C:\\x|1|2", "\"\\|3|4"]),
            ("\"12\\\"\nlong\" 1 2\n", spaced, &["12\"\nlong|1|2"]),
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
            let text = text.as_bytes();
            assert_eq!(Records::new(FORM, text, false).whole(&mut record), whole, "{text:?}");
            assert_eq!(Records::new(FORM, text, true).whole(&mut record), text.len(), "{text:?}");
        }
        for part in ["", "a,1", "\"a\n", "\"a\nb\",1,"] {
            assert_eq!(Records::new(FORM, part.as_bytes(), false).next(&mut record), Next::Part, "{part:?}");
        }
    }

    #[test]
    fn what_nothing_closes_is_read_once() {
        let mut record = Record::default();
        let endless = "\"\n".to_string() + &"x\n".repeat(MOST_BYTES);
        let mut records = Records::new(FORM, endless.as_bytes(), false);
        assert_eq!(records.next(&mut record), Next::Record(2));
        assert!(record.unclosed);
        assert!(records.barren > MOST_BYTES);
    }
}
