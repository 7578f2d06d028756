//! One line to a word and its numbers, whatever the line: the careful way, which says what is wrong.

use super::number::{NotANumber, parse};
use crate::source::batch::Fault;

/// Reads a line without its newline; on failure says what was expected and what was found.
pub(crate) fn parse_line<'a>(line: &'a [u8], separator: u8, row: &mut [f32]) -> Result<&'a [u8], (Fault, String)> {
    let line = trim_end(line, separator);
    let dim = row.len();
    let mut end = line.len();
    for (i, value) in row.iter_mut().enumerate().rev() {
        let Some(start) = memchr::memrchr(separator, &line[..end]) else {
            let found = match line.split(|&byte| byte == separator).count() {
                1 if line.is_empty() => "an empty line".to_string(),
                1 => "one field".to_string(),
                fields => format!("a word and {}", fields - 1),
            };
            return Err((Fault::FieldCount, format!("expected a word and {}, found {found}", numbers(dim))));
        };
        let field = &line[start + 1..end];
        *value = number(field, i, dim)?;
        end = start;
    }
    if end == 0 {
        return Err((Fault::EmptyWord, "the word is empty: the line starts with a separator".into()));
    }
    Ok(&line[..end])
}

/// The same of a line whose fields are separated by any number of spaces and tabs, perhaps behind the row's own number.
pub(crate) fn parse_columns<'a>(line: &'a [u8], numbered: bool, row: &mut [f32]) -> Result<&'a [u8], (Fault, String)> {
    let mut rest = trim_spaces_start(trim_spaces_end(line));
    let dim = row.len();
    for (i, value) in row.iter_mut().enumerate().rev() {
        let start = rest.iter().rposition(|&byte| is_space(byte)).map_or(0, |space| space + 1);
        if start == 0 {
            let found = if rest.is_empty() { "an empty line".into() } else { format!("a word and {}", dim - 1 - i) };
            return Err((Fault::FieldCount, format!("expected a word and {}, found {found}", numbers(dim))));
        }
        *value = number(&rest[start..], i, dim)?;
        rest = trim_spaces_end(&rest[..start]);
    }
    match column(rest, numbered) {
        [] => Err((Fault::EmptyWord, "the word is empty: the line has numbers alone".into())),
        word => Ok(word),
    }
}

/// The word of what stands before the numbers of such a line.
pub(super) fn column(before: &[u8], numbered: bool) -> &[u8] {
    let word = trim_spaces_start(before);
    if !numbered {
        return word;
    }
    let end = word.iter().position(|&byte| is_space(byte)).unwrap_or(word.len());
    trim_spaces_start(&word[end..])
}

/// The value of a field, number `i` of `dim`.
pub(crate) fn number(field: &[u8], i: usize, dim: usize) -> Result<f32, (Fault, String)> {
    parse(field).map_err(|error| {
        let shown = String::from_utf8_lossy(&field[..field.len().min(40)]);
        let (fault, what) = match error {
            NotANumber::NotFinite => (Fault::NotFinite, format!(", {shown:?}, is not finite")),
            NotANumber::Malformed if field.is_empty() => (
                Fault::NotANumber,
                " is empty: two separators in a row (separator=\"spaces\" takes a run of them for one)".to_string(),
            ),
            NotANumber::Malformed => (Fault::NotANumber, format!(", {shown:?}, is not a number")),
        };
        (fault, format!("number {} of {dim}{what}", i + 1))
    })
}

/// So many numbers, in words.
pub(crate) fn numbers(count: usize) -> String {
    format!("{count} number{}", if count == 1 { "" } else { "s" })
}

/// A space or a tab.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// `line` without the spaces and tabs that begin it.
pub(super) fn trim_spaces_start(line: &[u8]) -> &[u8] {
    &line[line.iter().position(|&byte| !is_space(byte)).unwrap_or(line.len())..]
}

/// `line` without the spaces, tabs and carriage returns that end it.
pub(super) fn trim_spaces_end(line: &[u8]) -> &[u8] {
    let kept = line.iter().rposition(|&byte| !is_space(byte) && byte != b'\r').map_or(0, |last| last + 1);
    &line[..kept]
}

/// `line` without the carriage return and the separators that end it.
pub(crate) fn trim_end(line: &[u8], separator: u8) -> &[u8] {
    let kept = line.iter().rposition(|&byte| byte != separator && byte != b'\r').map_or(0, |last| last + 1);
    &line[..kept]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<(String, [f32; 2]), String> {
        let mut row = [0.0; 2];
        let word = parse_line(line.as_bytes(), b' ', &mut row).map_err(|(_, reason)| reason)?;
        Ok((String::from_utf8_lossy(word).into_owned(), row))
    }

    #[test]
    fn the_word_is_everything_before_the_numbers() {
        for (line, word) in [
            ("a 1 2", "a"),
            ("new york 1 2", "new york"),
            (". . 1 2", ". ."),
            ("a  1 2", "a "),
            (" a 1 2", " a"),
            ("3 1 2", "3"),
            ("a\u{a0}b 1 2", "a\u{a0}b"),
            ("a\u{85} 1 2", "a\u{85}"),
            ("\u{2028} 1 2", "\u{2028}"),
            ("a\tb 1 2", "a\tb"),
            ("a 1 2 ", "a"),
            ("a 1 2  \r", "a"),
        ] {
            assert_eq!(read(line), Ok((word.into(), [1.0, 2.0])), "{line:?}");
        }
    }

    #[test]
    fn a_line_that_is_wrong_says_how() {
        for (line, reason) in [
            ("", "expected a word and 2 numbers, found an empty line"),
            ("a", "expected a word and 2 numbers, found one field"),
            ("a 1", "expected a word and 2 numbers, found a word and 1"),
            ("1 2", "expected a word and 2 numbers, found a word and 1"),
            (" 1 2", "the word is empty: the line starts with a separator"),
            (
                "a 1  2",
                "number 1 of 2 is empty: two separators in a row (separator=\"spaces\" takes a run of them for one)",
            ),
            ("a b 2", "number 1 of 2, \"b\", is not a number"),
            ("a 1 nan", "number 2 of 2, \"nan\", is not finite"),
            ("a 1 1e39", "number 2 of 2, \"1e39\", is not finite"),
        ] {
            assert_eq!(read(line), Err(reason.into()), "{line:?}");
        }
    }

    #[test]
    fn columns_are_separated_by_any_number_of_spaces() {
        let read = |line: &str, numbered: bool| {
            let mut row = [0.0; 2];
            let word = parse_columns(line.as_bytes(), numbered, &mut row).map_err(|(_, reason)| reason)?;
            Ok::<_, String>((String::from_utf8_lossy(word).into_owned(), row))
        };
        for line in ["a 1 2", "a  1   2", "  a 1 2  \r", "a\t1  2", "\ta \t 1 2"] {
            assert_eq!(read(line, false), Ok(("a".into(), [1.0, 2.0])), "{line:?}");
        }
        assert_eq!(read(" new  york 1 2", false), Ok(("new  york".into(), [1.0, 2.0])));
        assert_eq!(read("12   new york  1 2", true), Ok(("new york".into(), [1.0, 2.0])));
        assert_eq!(read("a 1", false), Err("expected a word and 2 numbers, found a word and 1".into()));
        assert_eq!(read(" 1  2", false), Err("expected a word and 2 numbers, found a word and 1".into()));
        assert_eq!(read("7 1  2", true), Err("the word is empty: the line has numbers alone".into()));
        assert_eq!(read("", false), Err("expected a word and 2 numbers, found an empty line".into()));
        assert_eq!(read("a 1  x", false), Err("number 2 of 2, \"x\", is not a number".into()));
    }
}
