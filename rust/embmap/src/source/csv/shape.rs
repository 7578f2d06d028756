//! What the first records of a table say about the rest: delimiter, quotes, names, numbers of rows, dimension.

use std::collections::HashSet;

use super::record::{Form, Record, Records};
use crate::source::{
    encoding::Utf8Errors,
    head::Head,
    options::{Options, Separator},
    text::{
        columns,
        fields::{are_numbers, is_fraction, is_name, is_number, shown},
        in_another_encoding,
        layout::{COUNTED, Layout, Problem, is_counting},
        names_or_numbers, no_words,
    },
};

/// Records looked at.
const SAMPLE_RECORDS: usize = 1000;

/// What quotes around a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// Bytes like others: more of them are not closed than hold what would need them.
    Bytes,
    /// No part of the field where they are closed; the first records have none.
    Unseen,
    /// No part of the field, and closed in each record.
    Seen,
}

/// How a table is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub delimiter: u8,
    /// What ends a line.
    pub newline: u8,
    pub quotes: Quotes,
    /// Whether a backslash in quotes is written twice where it stands for itself.
    pub escapes: bool,
    /// Whether a blank stands before numbers.
    pub blanks: bool,
    /// Whether the first record names the columns.
    pub named: bool,
    /// Whether the row's own number stands before the word.
    pub numbered: bool,
    /// Whether a space separates the word from its first number.
    pub glued: bool,
    /// Whether a delimiter ends each record.
    pub trailing: bool,
    /// The dimension: numbers a row.
    pub dim: usize,
}

impl Shape {
    /// The shape of the table that `head` begins, of which a text's layout was found or not; `None` where it is text that is
    /// read as such.
    pub(crate) fn find(
        head: &Head,
        layout: &Result<Layout, Problem>,
        options: &Options,
    ) -> Option<Result<Shape, Problem>> {
        let asked = match options.separator {
            Separator::Comma => Some(b','),
            Separator::Semicolon => Some(b';'),
            _ => None,
        };
        if let Some(delimiter) = asked {
            let problem = || (1, format!("expected fields separated by {:?}, as in CSV", char::from(delimiter)));
            let found = Table::of(head, delimiter, options).and_then(|table| table.shape(options));
            return Some(found.unwrap_or_else(|| Err(problem())));
        }
        match layout {
            Ok(layout) if !layout.table => None,
            Ok(layout) => {
                let found = Table::of(head, layout.separator.byte(), options).and_then(|table| table.shape(options));
                found.or_else(|| is_quoted(head.whole_lines()).then(|| Err((1, UNLIKE.into()))))
            }
            Err(_) if options.separator == Separator::Auto => {
                // Commas may be those of decimals, semicolons are separators.
                let of = |delimiter| Table::of(head, delimiter, options).and_then(|table| table.shape(options));
                of(b';').or_else(|| of(b','))
            }
            Err(_) => None,
        }
    }

    /// How many fields a record has, one behind a delimiter that ends it not counted.
    pub(super) fn fields(&self) -> usize {
        usize::from(self.numbered) + 1 + self.dim - usize::from(self.glued)
    }

    /// What its records look like.
    pub(super) fn form(&self) -> Form {
        Form {
            delimiter: self.delimiter,
            newline: self.newline,
            quoting: self.quotes != Quotes::Bytes,
            escapes: self.escapes,
            fields: Some(self.fields() + usize::from(self.trailing)),
            blanks: self.blanks,
        }
    }

    /// What separates the fields.
    pub(crate) fn separator(&self) -> Separator {
        match self.delimiter {
            b',' => Separator::Comma,
            b';' => Separator::Semicolon,
            b'\t' => Separator::Tab,
            _ => Separator::Space,
        }
    }

    /// The word of a record.
    pub(super) fn word<'r>(&self, record: &'r Record) -> Option<&'r [u8]> {
        let field = record.get(usize::from(self.numbered))?;
        if self.glued { Some(unglued(field)?.0) } else { Some(field) }
    }
}

/// The first records, read one way.
struct Table {
    shape: Shape,
    records: Vec<Record>,
}

impl Table {
    /// The records of `head`; `None` where no delimiter stands in most of them.
    fn of(head: &Head, delimiter: u8, options: &Options) -> Option<Table> {
        let text = without_mark(head.whole_lines());
        let has = |byte| memchr::memchr(byte, text).is_some();
        let newline = if !has(b'\n') && has(b'\r') { b'\r' } else { b'\n' };
        let ended = head.whole_lines().len() == head.bytes.len();
        let mut form = Form {
            delimiter,
            newline,
            quoting: true,
            escapes: escapes_backslashes(text, delimiter),
            fields: None,
            blanks: false,
        };
        // How many fields a record has tells which lines are one, which tells how many fields it has: of what lines have alone,
        // and of what they have where each quote is closed, the one counts that more records agree with.
        let alone = text.split(|&byte| byte == newline).flat_map(|line| Records::new(form, line, true).all());
        let alone: Vec<Record> = alone.take(SAMPLE_RECORDS).collect();
        let read = |form: Form| -> Vec<Record> { Records::new(form, text, ended).all().take(SAMPLE_RECORDS).collect() };
        let together = read(form);
        let blank = |record: &&Record| record.iter().skip(1).any(|field| field.starts_with(b" "));
        form.blanks = 2 * alone.iter().filter(blank).count() > alone.len();
        let mut records = [alone, together]
            .iter()
            .filter_map(|records| commonest(records))
            .map(|(fields, _)| read(Form { fields: Some(fields), ..form }))
            .min_by_key(|records| {
                let (_, count) = commonest(records).unwrap_or_default();
                let unclosed = records.iter().filter(|record| record.unclosed).count();
                (unclosed + records.len() - count, records.len())
            })?;
        form.fields = commonest(&records).map(|(fields, _)| fields);
        let count = |is: fn(&&Record) -> bool| records.iter().filter(is).count();
        let (unclosed, needed, quoted) =
            (count(|record| record.unclosed), count(|record| record.needed), count(|record| record.quoted > 0));
        let all = 2 * quoted > records.len();
        let quotes = match (all || unclosed <= needed, quoted) {
            (false, _) => Quotes::Bytes,
            (true, 0) => Quotes::Unseen,
            (true, _) => Quotes::Seen,
        };
        if quotes == Quotes::Bytes {
            form.quoting = false;
            records = read(form);
        }
        let (fields, count) = commonest(&records)?;
        // Names may be one fewer, and one record in ten anything.
        let odd = records.len() - count;
        let enough =
            fields > 1 && (10 * odd <= records.len() + 10 || (odd <= 2 && count > 2 && quotes == Quotes::Seen));
        let shape = Shape {
            delimiter,
            newline,
            quotes,
            escapes: form.escapes,
            blanks: form.blanks,
            named: false,
            numbered: false,
            glued: false,
            trailing: false,
            dim: 0,
        };
        (enough || options.separator != Separator::Auto).then_some(Table { shape, records })
    }

    /// What the records are, or why they are not read; `None` where they are no rows of numbers.
    fn shape(mut self, options: &Options) -> Option<Result<Shape, Problem>> {
        if self.shape.delimiter == b','
            && let Some(line) = self.spaced_decimals()
        {
            return Some(Err((1, decimal_commas(&line))));
        }
        let (mut fields, _) = commonest(&self.records)?;
        let usual = |record: &&Record| record.len() == fields;
        let body: Vec<&Record> = self.records.iter().skip(1).filter(usual).collect();
        let mut body = if body.is_empty() { self.records.iter().filter(usual).collect() } else { body };
        let delimiter = char::from(self.shape.delimiter);
        if fields > 2 && body.iter().all(|record| record[fields - 1].is_empty()) {
            self.shape.trailing = true;
            fields -= 1;
        }
        // A decimal comma is no number; of those that a comma also separates, -0 tells.
        let decimals = |field: &[u8]| {
            let comma = memchr::memchr(b',', field);
            comma.is_some_and(|at| is_number(&field[..at]) && field[at + 1..].iter().all(u8::is_ascii_digit))
        };
        let with_commas = body.iter().filter(|record| record.iter().skip(1).any(decimals)).count();
        let whole = |field: &[u8]| is_number(field) && !is_fraction(field);
        let halves = delimiter == ','
            && body.iter().all(|record| record.iter().skip(1).all(whole))
            && self.records.iter().any(|record| record.iter().any(|field| field == b"-0"));
        if 2 * with_commas > body.len() || halves {
            return Some(Err((1, decimal_commas(&self.shown(body[0])))));
        }
        let numbers = |record: &Record| (1..fields).rev().take_while(|&i| is_number(record[i].trim_ascii())).count();
        let mut dims: Vec<usize> = body.iter().map(|record| numbers(record)).collect();
        dims.sort_unstable();
        let dim = dims[dims.len() / 2];
        if dim == 0 {
            return None;
        }
        let lead = fields - dim;
        self.shape.glued = lead == 1 && options.dim != Some(dim) && self.is_glued(&body);
        self.shape.dim = dim + usize::from(self.shape.glued);
        let first = &self.records[0];
        let ended = self.shape.trailing && first.iter().next_back().is_some_and(<[u8]>::is_empty);
        let width = first.len() - usize::from(ended);
        let names: Vec<&[u8]> = first.iter().take(width).skip(width.saturating_sub(dim)).collect();
        let named = self.records.len() > 1
            && (fields - 1..=fields + usize::from(self.shape.trailing)).contains(&first.len())
            && (names.iter().all(|name| is_name(name.trim_ascii()))
                || is_counting(&names) && (first.len() < fields || first[0].is_empty())
                || (dim >= COUNTED && is_counting(&names) && have_fractions(&body)));
        let may_be_a_row = lead == 1 && first.len() == fields && dim > 1 && is_counting(&names);
        if !named && options.header.is_none() && may_be_a_row && have_fractions(&body) {
            return Some(Err((1, names_or_numbers(&self.shown(first)))));
        }
        self.shape.named = options.header.unwrap_or(named);
        if !self.shape.named && self.records[0].len() == fields && body.len() < self.records.len() {
            body.insert(0, &self.records[0]);
        }
        let numbers: Option<Vec<u64>> =
            body.iter().map(|record| std::str::from_utf8(&record[0]).ok()?.parse().ok()).collect();
        let steps = |is: fn(u64, u64) -> bool| {
            numbers.as_ref().is_some_and(|numbers| numbers.windows(2).all(|pair| is(pair[0], pair[1])))
        };
        let counting = steps(|one, next| one + 1 == next) && numbers.as_ref().is_some_and(|numbers| numbers[0] < 2);
        match lead {
            // pandas gives its index no name.
            1 if counting
                && options.dim != Some(dim)
                && body.len() > 1
                && self.shape.named
                && first.len() == fields
                && first[0].is_empty()
                && 2 * body.iter().filter(|record| !is_fraction(&record[1])).count() > body.len() =>
            {
                let reason = format!(
                    "the first column, which has no name, counts the rows, and all others are numbers, as in {:?}: where one of \
                     those has the words, read the table with pandas, and give words and matrix to embmap.write(); where the numbers \
                     of the rows are the words, say dim={dim}",
                    self.shown(body[0])
                );
                return Some(Err((2, reason)));
            }
            1 => {}
            2 => {
                let words: HashSet<&[u8]> = body.iter().map(|record| &record[1]).collect();
                if !counting && (!steps(|one, next| one < next) || words.len() < body.len()) {
                    return Some(Err((1, columns(2, delimiter, &body[0][0]))));
                }
                self.shape.numbered = true;
            }
            more => return Some(Err((1, columns(more, delimiter, &body[0][0])))),
        }
        Some(self.checked(&body, options))
    }

    /// Whether the number that ends each first field is the first of the vector, and not the end of a word, as of "topic 1".
    fn is_glued(&self, body: &[&Record]) -> bool {
        let most = |count: usize| 2 * count > body.len();
        let first = &self.records[0];
        let named = first.len() == body[0].len() && first.iter().skip(1).all(|name| is_name(name.trim_ascii()));
        // "word x,y,z" names the first number too.
        if named && !first[0].contains(&b' ') {
            return false;
        }
        let parts = body.iter().filter_map(|record| unglued(&record[0]));
        let parts: Vec<(&[u8], &[u8])> = parts.filter(|(word, number)| !word.is_empty() && is_number(number)).collect();
        let fraction_ends = parts.iter().filter(|(_, number)| is_fraction(number)).count();
        // Whole numbers that end some of the words are these words' own.
        if parts.len() < body.len() && !most(fraction_ends) {
            return false;
        }
        let words: HashSet<&[u8]> = parts.iter().map(|(word, _)| *word).collect();
        let fields: HashSet<&[u8]> = body.iter().map(|record| &record[0]).collect();
        let whole = have_fractions(body) && !most(fraction_ends);
        !whole && 2 * words.len() > fields.len()
    }

    /// A row whose numbers have decimal commas, and blanks or tabs between them, where most rows have.
    fn spaced_decimals(&self) -> Option<String> {
        let is_decimal = |field: &[u8]| {
            memchr::memchr(b',', field).is_some_and(|comma| {
                let (whole, part) = (&field[..comma], &field[comma + 1..]);
                is_number(whole)
                    && part.first().is_some_and(u8::is_ascii_digit)
                    && is_number(&[whole, b".", part].concat())
            })
        };
        let lines = self.records.iter().map(|record| record.iter().collect::<Vec<_>>().join(&b','));
        let mut like = lines.filter(|line| {
            let fields = line.split(|byte| matches!(byte, b' ' | b'\t')).skip(1).filter(|field| !field.is_empty());
            // One alone may be the first two of a vector.
            let numbers: Vec<&[u8]> = fields.collect();
            numbers.len() > 1
                && numbers.iter().any(|field| is_decimal(field))
                && numbers.iter().all(|field| is_decimal(field) || is_number(field))
        });
        let first = like.next()?;
        (2 * (1 + like.count()) > self.records.len()).then(|| shown(&first))
    }

    /// A record for a message.
    fn shown(&self, record: &Record) -> String {
        shown(&record.iter().collect::<Vec<_>>().join(&self.shape.delimiter))
    }

    /// The shape, unless the records would be misread.
    fn checked(&self, body: &[&Record], options: &Options) -> Result<Shape, Problem> {
        let (shape, line) = (self.shape, 1 + u64::from(self.shape.named));
        if let Some(asked) = options.dim.filter(|&asked| asked != shape.dim) {
            return Err((line, format!("expected vectors of dimension {asked}, found {}", shape.dim)));
        }
        let words: Vec<&[u8]> = body.iter().filter_map(|record| shape.word(record)).collect();
        if options.dim.is_none() && are_numbers(&words) {
            return Err((line, no_words(shape.dim + 1, Some(shape.dim))));
        }
        if options.dim.is_none() && shape.dim == 1 {
            return Err((
                line,
                format!(
                    "one number a row, as in {:?}: a list of counts or of similarities has that too; where these are vectors \
                     of one number, say dim=1",
                    self.shown(body[0])
                ),
            ));
        }
        if options.encoding.is_utf8()
            && options.errors == Utf8Errors::Strict
            && let Some(reason) = in_another_encoding(&words)
        {
            return Err((line, reason));
        }
        Ok(shape)
    }
}

fn decimal_commas(row: &str) -> String {
    format!(
        "the numbers have decimal commas, as in {row:?}, which embmap does not read: write them with points, or read the table \
         with pandas (decimal=\",\") and give words and matrix to embmap.write()"
    )
}

/// Whether most records have a fraction behind their first field.
fn have_fractions(records: &[&Record]) -> bool {
    2 * records.iter().filter(|record| record.iter().skip(1).any(is_fraction)).count() > records.len()
}

/// How many fields most records have, and how many those are.
fn commonest(records: &[Record]) -> Option<(usize, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    for record in records {
        *counts.entry(record.len()).or_insert(0) += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count)
}

/// Whether backslashes in quotes are escaped as quotes are there, which R does not do.
fn escapes_backslashes(text: &[u8], delimiter: u8) -> bool {
    let ends = |byte: Option<&u8>| byte.is_none_or(|&byte| byte == delimiter || matches!(byte, b'\r' | b'\n'));
    let before = |at: usize| at.checked_sub(1).and_then(|at| text.get(at));
    let twice = |at: usize| {
        text.get(at + 1) == Some(&b'"') && before(at) != Some(&b'\\') && !ends(before(at)) && !ends(text.get(at + 2))
    };
    if memchr::memchr_iter(b'"', text).any(twice) {
        return false;
    }
    let (mut quotes, mut pairs, mut at) = (false, false, 0);
    while let Some(next) = memchr::memchr(b'\\', &text[at..]) {
        let run = text[at + next..].iter().take_while(|&&byte| byte == b'\\').count();
        at += next + run;
        let (is_odd, behind) = (run % 2 == 1, text.get(at + 1));
        match (text.get(at) == Some(&b'"'), is_odd) {
            (false, true) => return false,
            (true, true) if behind == Some(&b'"') => quotes |= ends(text.get(at + 2)),
            (true, true) => quotes |= !ends(behind),
            (false, false) => pairs = true,
            (true, false) => pairs |= ends(behind),
        }
    }
    quotes && pairs
}

/// What is in quotes and no table.
const UNLIKE: &str = "the words are in quotes, and the rows have different numbers of fields, so that nobody can tell which quotes are \
                      whose: write the table anew with pandas, or give words and matrix to embmap.write()";

/// Whether most lines begin with a quote.
fn is_quoted(text: &[u8]) -> bool {
    let lines = || text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).take(SAMPLE_RECORDS);
    2 * lines().filter(|line| line.starts_with(b"\"")).count() > lines().count()
}

/// A text without its byte-order mark.
pub(super) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// The word and the first number that share a field, with a blank between them.
pub(super) fn unglued(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = field.iter().rposition(|byte| matches!(byte, b' ' | b'\t'))?;
    Some((&field[..space], &field[space + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str) -> Option<Result<Shape, String>> {
        let (head, options) = (Head::of(text.as_bytes()), Options::default());
        let layout = Layout::find(head.whole_lines(), &options);
        Shape::find(&head, &layout, &options).map(|found| found.map_err(|(_, reason)| reason))
    }

    #[test]
    fn tables_are_told_from_text() {
        for text in ["a 1 2\nb 3 4\n", "a,b 1 2\nc 3 4\n", "a\t1\t2\n", "\"a\" 1 2\nb 3 4\n", "a  1 2\nb  3 4\n"] {
            assert_eq!(find(text), None, "{text:?}");
        }
    }

    #[test]
    fn delimiter_quotes_names_and_numbers_come_from_the_content() {
        let plain = Shape {
            delimiter: b',',
            newline: b'\n',
            quotes: Quotes::Unseen,
            escapes: false,
            blanks: false,
            named: false,
            numbered: false,
            glued: false,
            trailing: false,
            dim: 2,
        };
        let (seen, bytes) = (Shape { quotes: Quotes::Seen, ..plain }, Shape { quotes: Quotes::Bytes, ..plain });
        for (text, shape) in [
            ("a,1,2\nb,3,4\n", plain),
            ("a,1,2\rb,3,4\r", Shape { newline: b'\r', ..plain }),
            ("a, 1, 2\nb, 3, 4\n", Shape { blanks: true, ..plain }),
            ("a;1.5;2\nb;3;4\n", Shape { delimiter: b';', ..plain }),
            ("word,x,y\na,1,2\nb,3,4\n", Shape { named: true, ..plain }),
            (",0,1\na,1.5,2\nb,3,4\n", Shape { named: true, ..plain }),
            (",word,0,1\n0,a,1.5,2\n1,b,3,4\n", Shape { named: true, numbered: true, ..plain }),
            ("a,1,2,\nb,3,4,\n", Shape { trailing: true, ..plain }),
            ("a 1,2\nb 3,4\n", Shape { glued: true, ..plain }),
            ("\",\",1,2\n\"\"\"\",3,4\n", seen),
            ("\",1,2\nb,3,4\nc,5,6\n", bytes),
            ("\",1,2\nb,3,4\n\",5,6\n", bytes),
            ("\"x\" \"y\"\n\"a\" 1 2\n\"\\\"\" 3 4\n", Shape { delimiter: b' ', named: true, ..seen }),
            ("\"x\" \"y\"\n\"a\" 1 2\n\"\\\" 5 6\n\"\\\"\" 3 4\n", Shape { delimiter: b' ', named: true, ..seen }),
            ("\"a\" 1 2\n\"b\" 3 4\n", Shape { delimiter: b' ', ..seen }),
            ("\"o\\\"clock\" 1 2\n\"b\" 3 4\n", Shape { delimiter: b' ', ..seen }),
            ("a,1.5,2\n\"foo,3,4\nb,5,6\nx,5,7\n\"bar,7,8\nc,1,2\n", bytes),
            ("\"a,b\",1.5,2\n\"foo,3,4\nb,5,6\n", seen),
            ("\"a,\nb\",1,2\nc,3,4\n", seen),
            ("\"C:\\\",1,2\nc,3,4\n", seen),
            ("\"C:\\\\x\",1,2\n\"say \\\"hi\\\"\",3,4\n", Shape { escapes: true, ..seen }),
            ("text,x,y\n\"a\nb\nc\",0.5,1\n\"d\ne\nf\",1.5,2\n", Shape { named: true, ..seen }),
            (",text,x,y\n0,\"a\nb\",0.5,1\n1,\"d\ne\",1.5,2\n", Shape { named: true, numbered: true, ..seen }),
            ("\"the\" 0.1,0.2\n\"of\" 0.3,0.4\n\"a b\" 0.5,0.6\n", Shape { glued: true, ..seen }),
            ("\"a\" ,1,2\n\"b, c\" ,3,4\n", seen),
            ("\"say \\\"\"hi\\\"\"\",1,2\nb,3,4\n", seen),
            ("a,1,2\n\"Room, 12, 15\nfoo\",3,4\n", seen),
            ("word,x,y,\na,1,2,\nb,3,4,\n", Shape { named: true, trailing: true, ..plain }),
            ("word,v,v\na,1,2\nb,3,4\n", Shape { named: true, ..plain }),
            (",x,y\n0,0.5,2\n1,0.25,1\n", Shape { named: true, ..plain }),
            ("\"say \"\"hi\"\"\",1,2\n\"c\",3,4\n", seen),
            ("label,x,y\n\"topic 1\",0.1,0.2\n\"topic 2\",0.3,0.4\n", Shape { named: true, ..seen }),
            ("topic 1,0.1,0.2\ntopic 2,0.3,0.4\n", plain),
            ("a 0.5,0.1,0.2\nb 0.25,0.3,0.4\n", Shape { glued: true, dim: 3, ..plain }),
            ("word x,y\na 1,2\nb 3,4\n", Shape { glued: true, named: true, ..plain }),
            ("the 0.5,0.1\nof 0.25,0.3\nto 0.5,0.3\nodd,0.3\n", Shape { glued: true, ..plain }),
            ("topic 1;1;2\nRocky 3;1;2\nother;3;4\n", Shape { delimiter: b';', ..plain }),
            ("the,NA,NA\nb,1,2\nc,3,4\n", plain),
            ("word\tx\ty\na\t1\t2\nb\t3\t4\n", Shape { delimiter: b'\t', named: true, ..plain }),
            ("0\ta\t1\t2\n1\tb\t3\t4\n", Shape { delimiter: b'\t', numbered: true, ..plain }),
        ] {
            assert_eq!(find(text), Some(Ok(shape)), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (text, part) in [
            ("a;0,5;0,25\nb;-0,5;1,5\n", "decimal commas"),
            ("a,0,5,-0,25\nb,0,5,1,5\n", "decimal commas"),
            ("0.5,0.25\n-0.5,0.125\n", "without words"),
            ("a,1\nb,2\n", "dim=1"),
            ("x,a,1,2\ny,b,3,4\n", "2 columns"),
            ("1984,novel,1,2\n1985,novel,3,4\n", "2 columns"),
            ("word,0,1\na,0.5,0.25\nb,0.25,1\n", "header=True or header=False"),
            ("a\t0,5\t-0,25\nb\t0,5\t1\n", "decimal commas"),
            ("a 0,5 1e-3\nb 0,5 1,5E-02\n", "decimal commas"),
            (",id,x\n0,31,0.5\n1,1029,0.25\n", "counts the rows"),
            ("0,0\n0.5,0.25\n-0.5,0.125\n", "without words"),
            ("0,0\n0.5,0.25\n-0.5,0.125\n1.5,0.5\nodd,0.5\n", "without words"),
            ("x,y,z\n0,0,0\n0.5,0.25,1\n-0.5,0.125,2\n", "without words"),
        ] {
            let found = find(text).and_then(Result::err).unwrap_or_default();
            assert!(found.contains(part), "{text:?}: {found}");
        }
    }
}
