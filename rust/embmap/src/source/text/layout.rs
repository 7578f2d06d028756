//! What the first lines of a text say about the rest: separator, header, dimension.

use super::{
    doubts,
    fields::{are_numbers, is_fraction, is_name, is_number, is_sparse, numbers, shown},
    padding,
    row::{column, is_space, trim_end, trim_spaces_start},
};
use crate::format::subwords::MOST_HASHES;
use crate::source::{
    head::LONGEST_LINE,
    options::{Options, Separator},
};

/// Rows looked at to find the dimension.
const SAMPLE_LINES: usize = 1000;

/// Numbers from which a first row 0, 1, 2, ... is no vector but the names that pandas gives to columns.
pub(crate) const COUNTED: usize = 8;

/// Numbers that fit the longest line: a header that announces more lies.
const WIDEST: usize = LONGEST_LINE / 2;
const _: () = assert!(WIDEST <= crate::format::WIDEST as usize);

/// How a text is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// What is between fields: one space, one tab, or spaces.
    pub separator: Separator,
    /// Whether a number of the row, of no meaning, stands before each word; in columns alone.
    pub numbered: bool,
    /// The dimension: numbers a row.
    pub dim: usize,
    /// The rows that a header announces.
    pub rows: Option<u64>,
    /// The byte at which the first row starts.
    pub body: u64,
    /// The line of the first row, counted from 1.
    pub body_line: u64,
    /// Whether it is a table with quotes, names of columns or numbers of rows, which is read as CSV is.
    pub table: bool,
}

/// A line that does not make sense, counted from 1, and why.
pub(crate) type Problem = (u64, String);

impl Layout {
    /// Reads the layout off `head`: the file's first whole lines, or all of it. `options` are what the caller knows.
    pub(crate) fn find(head: &[u8], options: &Options) -> Result<Layout, Problem> {
        let bom = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let text = &head[bom..];
        if let Some(reason) = doubts::line_ends(text) {
            return Err((1, reason));
        }
        let mut lines = text.split(|&byte| byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let second = lines.next().filter(|line| !trim_end(line, b' ').is_empty());

        let of_floret = floret_table(first);
        let announced = announced(first).or(of_floret);
        let of_a_graph = second.and_then(|second| graph_dim(first, second));
        if of_floret.is_some() && options.header != Some(true) {
            let reason = "this is floret's table, whose rows belong to parts of words; format=\"floret\" reads it";
            return Err((1, reason.into()));
        }
        let has_header = match (options.header, announced) {
            (None | Some(true), None) if of_a_graph.is_some() => true,
            // One of names, then.
            (Some(true), None) => false,
            (Some(asked), _) => asked,
            (None, None) => false,
            (None, Some((_, announced_dim))) => match second.map(numbers) {
                Some(numbers) if numbers > 1 => true,
                None if announced_dim > 1 => true,
                Some(_) if second.is_some_and(is_sparse) => true,
                _ => return Err((1, ambiguous(first))),
            },
        };
        let behind = (bom + first.len() + 1).min(head.len());
        let (rows, expected, body) = match announced {
            Some((rows, dim)) if has_header => (Some(rows), Some(dim), behind),
            _ if has_header => (None, of_a_graph, behind),
            _ => (None, None, bom),
        };
        let body_line = 1 + u64::from(has_header);
        let body_lines = head[body..].split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let sample: Vec<&[u8]> = body_lines.take(SAMPLE_LINES).collect();
        if 2 * sample.iter().filter(|line| is_sparse(line)).count() > sample.len() {
            return Err((body_line, doubts::SPARSE.into()));
        }
        let separator = match options.separator {
            Separator::Auto => Separator::of(&sample, expected),
            asked => asked,
        };
        let found = expected.unwrap_or_else(|| commonest_dim(&sample, separator));
        let named = options.header == Some(true) && !has_header;
        if named && !(sample.len() > 1 && can_be_names(first, separator, found)) {
            return Err((
                1,
                format!(
                    "expected a header \"rows dim\" or names of the columns, found {:?}: where there is none, leave header= out (gensim: no_header=True)",
                    shown(first)
                ),
            ));
        }
        if found == 0 {
            return Err((body_line, doubts::no_numbers(&sample, first)));
        }
        if separator != Separator::Spaces && 2 * sample.iter().filter(|line| is_mixed(line)).count() > sample.len() {
            let reason = "a tab ends the word and spaces separate the numbers; make it one separator for all, or have both \
                          taken for one with separator=\"spaces\"";
            return Err((body_line, reason.into()));
        }
        let fewest = sample.iter().map(|line| separator.trailing_numbers(line)).min();
        if let (Some(_), Some(fewest)) = (expected, fewest)
            && fewest > found
        {
            let reason = format!("the header announces {found} numbers a row, every row has {fewest} or more");
            return Err((1, reason));
        }
        if found > WIDEST {
            return Err((1, format!("expected at most {WIDEST} numbers a row, the header announces {found}")));
        }
        if let Some(asked) = options.dim.filter(|&asked| asked != found) {
            return Err((body_line, format!("expected vectors of dimension {asked}, found {found}")));
        }
        if options.header.is_none() && separator == Separator::Tab && names_or_numbers(&sample, found) {
            return Err((body_line, doubts::names_or_numbers(&shown(sample[0]))));
        }
        let layout =
            Layout { separator, numbered: false, dim: found, rows, body: body as u64, body_line, table: false };
        let named = options.header != Some(false) && (named || layout.has_names(&sample));
        layout.with_names_and_numbers(head, &sample, named).checked(&sample, options)
    }

    /// The same once a line of names is passed over, or has made it a table, and numbers of the rows have.
    fn with_names_and_numbers(mut self, head: &[u8], sample: &[&[u8]], named: bool) -> Layout {
        let spaced = self.separator == Separator::Spaces;
        let mut rows = sample;
        if named {
            // pandas puts the name of its index on a line of its own.
            let index = spaced && sample.get(1).is_some_and(|line| self.separator.fields(line).count() == 1);
            let lines = 1 + usize::from(index);
            rows = &sample[lines..];
            let ends = memchr::memchr_iter(b'\n', &head[self.body as usize..]).nth(lines - 1);
            self.body += ends.map_or(0, |end| end as u64 + 1);
            self.body_line += lines as u64;
            self.table = !spaced;
        }
        let words: Vec<&[u8]> = rows.iter().filter_map(|line| self.word_of(line)).collect();
        // No table has a header that counts rows and numbers: below it a word is what stands before the numbers.
        let is_free = self.rows.is_none();
        if are_numbered(&words) && (spaced || is_free) {
            (self.numbered, self.table) = (spaced, !spaced);
        }
        let quoted = |word: &&&[u8]| word.len() > 1 && word.starts_with(b"\"") && word.ends_with(b"\"");
        // What pandas writes without names quotes few words, and is told by quotes that are written twice.
        self.table |= is_free && self.separator == Separator::Tab && has_doubled_quotes(&words);
        // One in ten may be anything.
        self.table |= is_free && !words.is_empty() && 10 * words.iter().filter(quoted).count() >= 9 * words.len();
        self
    }

    /// Whether the first line names the columns: words where the others have numbers, or 0, 1, 2, ... where the others have
    /// fractions. There may be a name for the column of words.
    fn has_names(&self, sample: &[&[u8]]) -> bool {
        let [first, rest @ ..] = sample else { return false };
        if self.rows.is_some() {
            return false;
        }
        let fields: Vec<&[u8]> = self.separator.fields(first).collect();
        let Some(names) = fields.len().checked_sub(self.dim).and_then(|start| fields.get(start..)) else {
            return false;
        };
        if rest.is_empty() || fields.len() > self.dim + 2 {
            return false;
        }
        if names.iter().all(|name| is_name(name)) {
            return true;
        }
        // pandas leaves the column of words without a name, where nobody gave it one.
        let nameless = fields.len() == self.dim || is_nameless(fields[0]);
        let counted = || self.dim >= COUNTED && are_fractions(rest, self.separator);
        self.dim > 1 && is_counting(names) && (nameless || counted())
    }

    /// The word of a row, `None` where it has too few fields.
    pub(super) fn word_of<'l>(&self, line: &'l [u8]) -> Option<&'l [u8]> {
        let line = self.separator.trim_end(line);
        let end = (0..self.dim).try_fold(line.len(), |end, _| self.separator.before(&line[..end]))?;
        let word = if self.separator == Separator::Spaces { column(&line[..end], self.numbered) } else { &line[..end] };
        (!word.is_empty()).then_some(word)
    }

    /// Whether a row has its numbers and no word.
    fn is_numbers(&self, line: &[u8]) -> bool {
        let mut fields = self.separator.fields(line);
        fields.by_ref().take(self.dim).filter(|field| is_number(field)).count() == self.dim && fields.next().is_none()
    }

    /// This layout, unless the rows say that it would be misread.
    fn checked(self, sample: &[&[u8]], options: &Options) -> Result<Layout, Problem> {
        let words: Vec<&[u8]> = sample.iter().filter_map(|line| self.word_of(line)).collect();
        let firsts: Vec<&[u8]> = sample.iter().filter_map(|line| self.separator.fields(line).next()).collect();
        let only_numbers = words.is_empty() && are_numbers(&firsts) && sample.iter().all(|line| self.is_numbers(line));
        let rows = doubts::Rows {
            lines: sample,
            words: &words,
            only_numbers,
            announced: self.rows.is_some(),
            separator: self.separator,
            dim: self.dim,
        };
        match (!self.table).then(|| rows.doubt(options)).flatten() {
            Some((row, reason)) => Err((self.body_line + row, reason)),
            None => Ok(self),
        }
    }
}

impl Separator {
    /// What separates the fields of most rows.
    fn of(sample: &[&[u8]], expected: Option<usize>) -> Separator {
        if padding::is_of_the_layout(sample, expected.unwrap_or_else(|| commonest_dim(sample, Separator::Spaces))) {
            return Separator::Spaces;
        }
        let tabbed = sample.iter().filter(|line| is_tabbed(line)).count();
        if tabbed > 0 && 2 * tabbed >= sample.len() { Separator::Tab } else { Separator::Space }
    }
}

/// "rows dim", and nothing else on the line.
pub(crate) fn announced(line: &[u8]) -> Option<(u64, usize)> {
    let line = std::str::from_utf8(trim_end(line, b' ')).ok()?;
    let (rows, dim) = line.split_once([' ', '\t'])?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(rows) || !digits(dim) {
        return None;
    }
    let dim: u32 = dim.parse().ok().filter(|&dim| dim > 0)?;
    Some((rows.parse().ok()?, dim as usize))
}

/// The dimension in a line "entities relations dim", as PyTorch-BigGraph's tables begin, where the row behind it has as many
/// numbers. Which of both are the rows differs.
fn graph_dim(line: &[u8], second: &[u8]) -> Option<usize> {
    let fields: Vec<&[u8]> = trim_end(line, b' ').split(|&byte| is_space(byte)).collect();
    let whole = |field: &&[u8]| !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    let [_, _, dim] = fields[..] else { return None };
    let dim = std::str::from_utf8(dim).ok()?.parse().ok()?;
    (fields.iter().all(whole) && dim > 2 && numbers(second) == dim).then_some(dim)
}

/// Rows and dimension in a line "buckets dim minn maxn hashes seed < >", as floret's tables begin.
fn floret_table(line: &[u8]) -> Option<(u64, usize)> {
    let line = std::str::from_utf8(trim_end(line, b' ')).ok()?;
    let mut fields = line.split(' ');
    let mut whole = || fields.next()?.parse::<u32>().ok();
    let (rows, dim) = (whole()?, whole()?);
    let (_minn, _maxn, hashes, _seed) = (whole()?, whole()?, whole()?, whole()?);
    let marks = [fields.next()?, fields.next()?];
    let sound = (1..=MOST_HASHES).contains(&hashes)
        && dim > 0
        && marks.iter().all(|mark| !mark.is_empty() && !is_number(mark.as_bytes()));
    (sound && fields.next().is_none()).then_some((rows.into(), dim as usize))
}

fn ambiguous(line: &[u8]) -> String {
    format!("{:?} can be a header or a row of one number; say which with header=True or header=False", shown(line))
}

/// Whether a line can name the columns, of which the last `dim` are numbers, where somebody says that it does.
fn can_be_names(line: &[u8], separator: Separator, dim: usize) -> bool {
    let fields: Vec<&[u8]> = separator.fields(line).collect();
    let names = fields.len().checked_sub(dim).and_then(|start| fields.get(start..));
    names.is_some_and(|names| names.iter().all(|name| !is_number(name)) || is_counting(names))
}

/// Whether a table's first line can name its columns by numbers, and can be a row: the others have fractions.
fn names_or_numbers(sample: &[&[u8]], dim: usize) -> bool {
    let [first, rest @ ..] = sample else { return false };
    let fields: Vec<&[u8]> = Separator::Tab.fields(first).collect();
    (2..COUNTED).contains(&dim)
        && fields.len() == dim + 1
        && !is_nameless(fields[0])
        && is_counting(&fields[1..])
        && are_fractions(rest, Separator::Tab)
}

/// Whether words that begin with a quote are in quotes, and some have quotes within, each written twice.
fn has_doubled_quotes(words: &[&[u8]]) -> bool {
    let mut doubled = false;
    for word in words.iter().filter(|word| word.starts_with(b"\"")) {
        let Some(inner) = word[1..].strip_suffix(b"\"") else { return false };
        // Pairs, one after the other.
        let runs = inner.split(|&byte| byte != b'"').filter(|run| !run.is_empty());
        if runs.clone().any(|run| run.len() % 2 == 1) {
            return false;
        }
        doubled |= runs.count() > 0;
    }
    doubled
}

/// Whether a column has no name, as pandas leaves its index.
fn is_nameless(field: &[u8]) -> bool {
    matches!(field, b"" | b"\"\"")
}

/// Whether most lines have a fraction.
fn are_fractions(lines: &[&[u8]], separator: Separator) -> bool {
    2 * lines.iter().filter(|line| separator.fields(line).skip(1).any(is_fraction)).count() > lines.len()
}

/// Whether tabs separate the fields: the last of them is a number then.
fn is_tabbed(line: &[u8]) -> bool {
    let line = trim_end(line, b'\t');
    memchr::memrchr(b'\t', line).is_some_and(|tab| is_number(&line[tab + 1..]))
}

/// Whether a tab ends the word and spaces separate its numbers.
fn is_mixed(line: &[u8]) -> bool {
    let Some(tab) = memchr::memrchr(b'\t', line) else { return false };
    let numbers = trim_end(&line[tab + 1..], b' ');
    numbers.contains(&b' ') && numbers.split(|&byte| byte == b' ').all(is_number)
}

/// Whether the words begin with the numbers of their rows: 0, 1, 2, ... or 1, 2, 3, ...
fn are_numbered(words: &[&[u8]]) -> bool {
    let numbers: Option<Vec<u64>> = words
        .iter()
        .map(|word| {
            let end = word.iter().position(|&byte| is_space(byte))?;
            let word_behind = trim_spaces_start(&word[end..]);
            (!word_behind.is_empty()).then(|| std::str::from_utf8(&word[..end]).ok()?.parse().ok()).flatten()
        })
        .collect();
    numbers.is_some_and(|numbers| {
        numbers.len() > 1 && numbers[0] < 2 && numbers.windows(2).all(|pair| pair[0] + 1 == pair[1])
    })
}

/// Whether fields are 0, 1, 2, ... or 1, 2, 3, ...
pub(crate) fn is_counting(fields: &[&[u8]]) -> bool {
    let number = |field: &&[u8]| std::str::from_utf8(field).ok()?.parse::<usize>().ok();
    let Some(first @ 0..2) = fields.first().and_then(number) else { return false };
    fields.iter().enumerate().all(|(i, field)| number(field) == Some(first + i))
}

/// The dimension that most of the lines have; the first of them where several are as common.
fn commonest_dim(lines: &[&[u8]], separator: Separator) -> usize {
    let mut counts: Vec<(usize, usize)> = Vec::new();
    for line in lines {
        let dim = separator.trailing_numbers(line);
        match counts.iter_mut().find(|(known, _)| *known == dim) {
            Some((_, count)) => *count += 1,
            None => counts.push((dim, 1)),
        }
    }
    counts.iter().rev().max_by_key(|(_, count)| count).map_or(0, |&(dim, _)| dim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(head: &[u8], header: Option<bool>, dim: Option<usize>) -> Result<Layout, Problem> {
        Layout::find(head, &Options { header, dim, ..Options::default() })
    }

    fn find(head: &str) -> Result<(u8, usize, Option<u64>, u64), Problem> {
        layout(head.as_bytes(), None, None).map(|l| (l.separator.byte(), l.dim, l.rows, l.body))
    }

    #[test]
    fn header_separator_and_dimension_come_from_the_content() {
        for (head, layout) in [
            ("a 1 2\nb 3 4\n", (b' ', 2, None, 0)),
            ("2 2\na 1 2\nb 3 4\n", (b' ', 2, Some(2), 4)),
            ("2 2\r\na 1 2\r\n", (b' ', 2, Some(2), 5)),
            ("\u{feff}2 2\na 1 2\n", (b' ', 2, Some(2), 7)),
            ("\u{feff}a 1 2\n", (b' ', 2, None, 3)),
            ("a\t1\t2\n", (b'\t', 2, None, 0)),
            ("1\t2\na b\t1\t2\n", (b'\t', 2, Some(1), 4)),
            ("new york 1 2\na 1 2\nb 3 4", (b' ', 2, None, 0)),
            ("5 6 7\n8 9 10", (b' ', 2, None, 0)),
            ("9 300\na 1 2\n", (b' ', 300, Some(9), 6)),
            ("0 5\n", (b' ', 5, Some(0), 4)),
            ("2\t1\t4\nQ1\t1\t2\t3\t4\n", (b'\t', 4, None, 6)),
            ("3 2 4\nQ1 1 2 3 4\nP1 1 2 3 4\n", (b' ', 4, None, 6)),
            ("2 1 4\nb 1 2\n", (b' ', 2, None, 0)),
            ("2 3\na 1 2 nan\nb 1 2 3\n", (b' ', 3, Some(2), 4)),
            ("a\t1\tnan\nb\t1\t2\n", (b'\t', 2, None, 0)),
            ("a b 1\nb\t1\t2\nc\t1\t2\n", (b'\t', 2, None, 0)),
        ] {
            assert_eq!(find(head), Ok(layout), "{head:?}");
        }
    }

    #[test]
    fn what_has_no_layout_says_why() {
        for (head, reason) in [
            ("1 1\na 0.5\n", "can be a header or a row of one number"),
            ("5 1", "can be a header or a row of one number"),
            ("hello world\n", "no file of vectors"),
            ("a\t1 2\nb\t3 4\n", "one separator for all"),
            ("a\t1 2\nb\t3 4\nc 5 6\n", "one separator for all"),
            ("the\tDT\t1\t2\na\tDT\t3\t4\n", "2 columns"),
            ("5\tthe\t1\t2\n9\tof\t3\t4\n", "2 columns"),
            ("", "no file of vectors"),
        ] {
            let (line, found) = find(head).expect_err(head);
            assert!(line == 1 && found.contains(reason), "{head:?}: {found}");
        }
        assert!(layout(b"2 2\na 1 2 3\nb 4 5 6\n", None, None).is_err());
        assert!(layout(b"2 2\narea 51 2 3\nb 4 5\n", None, None).is_ok());
        assert!(layout(b"9 4000000000\na 1 2\n", None, None).is_err());
        assert!(layout(b"a 1 2\n", Some(true), None).is_err());
        assert!(layout(b"a 1 2\n", None, Some(3)).is_err());
        assert_eq!(layout(b"3 1\na 2\n", Some(false), None).map(|l| (l.dim, l.body)), Ok((1, 0)));
        assert_eq!(layout(b"3 1\na 2\n", Some(true), None).map(|l| (l.dim, l.rows)), Ok((1, Some(3))));
    }
}
