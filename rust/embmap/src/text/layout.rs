//! What the first lines of a text say about the rest: separator, header, dimension.

use super::{
    block::LONGEST_LINE,
    number::{NotANumber, parse},
    row::trim_end,
};

/// Rows looked at to find the dimension.
const SAMPLE: usize = 1000;

/// Numbers that fit the longest line: a header that announces more lies.
const WIDEST: usize = LONGEST_LINE / 2;

/// How a text is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// A blank, or a tab where the fields are separated by tabs.
    pub separator: u8,
    /// Numbers a row.
    pub dim: usize,
    /// The rows that a header announces.
    pub rows: Option<u64>,
    /// The byte at which the first row starts.
    pub body: u64,
    /// The line of the first row, counted from 1.
    pub body_line: u64,
}

/// A line that does not make sense, counted from 1, and why.
pub(crate) type Problem = (u64, String);

impl Layout {
    /// Reads the layout off `head`: the file's first whole lines, or all of it. `header` and `dim` are what the caller knows.
    pub(crate) fn find(head: &[u8], header: Option<bool>, dim: Option<usize>) -> Result<Layout, Problem> {
        let bom = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let text = &head[bom..];
        let mut lines = text.split(|&byte| byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let second = lines.next().filter(|line| !trim_end(line, b' ').is_empty());

        let announced = announced(first);
        let has_header = match (header, announced) {
            (Some(true), None) => {
                return Err((1, format!("expected a header \"rows dim\", found {:?}", shown(first))));
            }
            (Some(asked), _) => asked,
            (None, None) => false,
            (None, Some((_, announced_dim))) => match second.map(numbers) {
                Some(numbers) if numbers > 1 => true,
                None if announced_dim > 1 => true,
                _ => return Err((1, ambiguous(first))),
            },
        };
        let (rows, expected, body) = match announced {
            Some((rows, dim)) if has_header => (Some(rows), Some(dim), (bom + first.len() + 1).min(head.len())),
            _ => (None, None, bom),
        };
        let body_line = 1 + u64::from(has_header);
        let body_lines = head[body..].split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let sample: Vec<&[u8]> = body_lines.take(SAMPLE).collect();
        let tabbed = sample.iter().filter(|line| is_tabbed(line)).count();
        let separator = if tabbed > 0 && 2 * tabbed >= sample.len() { b'\t' } else { b' ' };
        let found = expected.unwrap_or_else(|| commonest_dim(&sample, separator));
        if found == 0 {
            let reason = format!(
                "expected a word and its numbers, found {:?}: this is no file of vectors",
                shown(sample.first().unwrap_or(&first))
            );
            return Err((body_line, reason));
        }
        if !sample.is_empty() && sample.iter().all(|line| is_mixed(line)) {
            let reason = "a tab ends the word and blanks separate the numbers; make it one separator for all";
            return Err((body_line, reason.into()));
        }
        let fewest = sample.iter().map(|line| trailing_numbers(line, separator)).min();
        if let (Some(_), Some(fewest)) = (expected, fewest)
            && fewest > found
        {
            let reason = format!("the header announces {found} numbers a row, every row has {fewest} or more");
            return Err((1, reason));
        }
        if found > WIDEST {
            return Err((1, format!("expected at most {WIDEST} numbers a row, the header announces {found}")));
        }
        if let Some(asked) = dim.filter(|&asked| asked != found) {
            return Err((body_line, format!("expected vectors of dimension {asked}, found {found}")));
        }
        Ok(Layout { separator, dim: found, rows, body: body as u64, body_line })
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

fn ambiguous(line: &[u8]) -> String {
    format!("{:?} can be a header or a row of one number; say which with header=True or header=False", shown(line))
}

/// The line for a message, not all of it where it is long.
fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(&line[..line.len().min(60)]).trim_end().to_string()
}

/// Whether tabs separate the fields: the last of them is a number then.
fn is_tabbed(line: &[u8]) -> bool {
    let line = trim_end(line, b'\t');
    memchr::memrchr(b'\t', line).is_some_and(|tab| is_number(&line[tab + 1..]))
}

/// Whether a tab ends the word and blanks separate its numbers.
fn is_mixed(line: &[u8]) -> bool {
    let Some(tab) = memchr::memrchr(b'\t', line) else { return false };
    let numbers = trim_end(&line[tab + 1..], b' ');
    numbers.contains(&b' ') && numbers.split(|&byte| byte == b' ').all(is_number)
}

/// Whether a field is meant as a number, be it one that no row may have.
fn is_number(field: &[u8]) -> bool {
    parse(field) != Err(NotANumber::Malformed)
}

/// How many numbers a line ends in, however they are separated.
pub(crate) fn numbers(line: &[u8]) -> usize {
    trailing_numbers(line, if is_tabbed(line) { b'\t' } else { b' ' })
}

/// How many of the fields that end a line are numbers, the first field excepted, which belongs to the word.
fn trailing_numbers(line: &[u8], separator: u8) -> usize {
    let line = trim_end(line, separator);
    let (mut count, mut end) = (0, line.len());
    while let Some(start) = memchr::memrchr(separator, &line[..end]) {
        if !is_number(&line[start + 1..end]) {
            break;
        }
        count += 1;
        end = start;
    }
    count
}

/// The dimension that most of the lines have; the first of them where several are as common.
fn commonest_dim(lines: &[&[u8]], separator: u8) -> usize {
    let mut counts: Vec<(usize, usize)> = Vec::new();
    for line in lines {
        let dim = trailing_numbers(line, separator);
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

    fn find(head: &str) -> Result<(u8, usize, Option<u64>, u64), Problem> {
        Layout::find(head.as_bytes(), None, None).map(|l| (l.separator, l.dim, l.rows, l.body))
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
            ("a 1", (b' ', 1, None, 0)),
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
            ("", "no file of vectors"),
        ] {
            let (line, found) = find(head).expect_err(head);
            assert!(line == 1 && found.contains(reason), "{head:?}: {found}");
        }
        assert!(Layout::find(b"2 2\na 1 2 3\nb 4 5 6\n", None, None).is_err());
        assert!(Layout::find(b"2 2\narea 51 2 3\nb 4 5\n", None, None).is_ok());
        assert!(Layout::find(b"9 4000000000\na 1 2\n", None, None).is_err());
        assert!(Layout::find(b"a 1 2\n", Some(true), None).is_err());
        assert!(Layout::find(b"a 1 2\n", None, Some(3)).is_err());
        assert_eq!(Layout::find(b"3 1\na 2\n", Some(false), None).map(|l| (l.dim, l.body)), Ok((1, 0)));
        assert_eq!(Layout::find(b"3 1\na 2\n", Some(true), None).map(|l| (l.dim, l.rows)), Ok((1, Some(3))));
    }
}
