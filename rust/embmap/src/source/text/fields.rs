//! A line of text taken apart, and what its fields can be.

use super::{
    number::{NotANumber, parse},
    row::{is_space, trim_end, trim_spaces_end, trim_spaces_start},
};
use crate::source::options::Separator;

impl Separator {
    /// The byte that separates fields; of spaces, one of two.
    pub(crate) fn byte(self) -> u8 {
        match self {
            Separator::Tab => b'\t',
            Separator::Comma => b',',
            Separator::Semicolon => b';',
            Separator::Auto | Separator::Space | Separator::Spaces => b' ',
        }
    }

    /// A line without what may end it.
    pub(super) fn trim_end(self, line: &[u8]) -> &[u8] {
        if self == Separator::Spaces { trim_spaces_end(line) } else { trim_end(line, self.byte()) }
    }

    /// Where what stands before the last field ends; `None` where there is but one field.
    pub(super) fn before(self, line: &[u8]) -> Option<usize> {
        if self == Separator::Spaces {
            let separator = line.iter().rposition(|&byte| is_space(byte))?;
            line[..separator].iter().rposition(|&byte| !is_space(byte)).map(|last| last + 1)
        } else {
            memchr::memrchr(self.byte(), line)
        }
    }

    /// The fields of a line; of spaces, none is empty.
    pub(super) fn fields(self, line: &[u8]) -> impl Iterator<Item = &[u8]> {
        let spaced = self == Separator::Spaces;
        self.trim_end(line)
            .split(move |&byte| if spaced { is_space(byte) } else { byte == self.byte() })
            .filter(move |field| !spaced || !field.is_empty())
    }

    /// How many of the fields that end a line are numbers, the first field excepted, which belongs to the word.
    pub(super) fn trailing_numbers(self, line: &[u8]) -> usize {
        let line = self.trim_end(line);
        let (mut count, mut end) = (0, line.len());
        while let Some(before) = self.before(&line[..end]) {
            let field = &line[before + 1..end];
            if !is_number(if self == Separator::Spaces { trim_spaces_start(field) } else { field }) {
                break;
            }
            count += 1;
            end = before;
        }
        count
    }
}

/// The line for a message, not all of it where it is long.
pub(crate) fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(&line[..line.len().min(60)]).trim_end().to_string()
}

/// Whether a row has its numbers as `index:value`.
pub(crate) fn is_sparse(line: &[u8]) -> bool {
    let mut pairs = Separator::Spaces.fields(line).skip(1).peekable();
    pairs.peek().is_some()
        && pairs.all(|field| {
            let colon = memchr::memchr(b':', field).filter(|&colon| colon > 0);
            colon.is_some_and(|at| field[..at].iter().all(u8::is_ascii_digit) && is_number(&field[at + 1..]))
        })
}

/// Whether a field is meant as a number, be it one that no row may have.
pub(crate) fn is_number(field: &[u8]) -> bool {
    parse(field) != Err(NotANumber::Malformed)
}

/// Whether it is one that no word looks like: with a dot or an exponent.
pub(crate) fn is_fraction(field: &[u8]) -> bool {
    field.iter().any(|byte| b".eE".contains(byte)) && parse(field).is_ok()
}

/// Whether most words are numbers that no word looks like.
pub(crate) fn are_numbers(words: &[&[u8]]) -> bool {
    2 * words.iter().filter(|word| is_fraction(word)).count() > words.len()
}

/// What stands for a number that is missing.
const MISSING: [&[u8]; 9] = [b"", b"na", b"n/a", b"<na>", b"null", b"none", b"nil", b"?", b"-"];

/// Whether a field can be the name of a column of numbers: no number, nor what stands for one.
pub(crate) fn is_name(field: &[u8]) -> bool {
    !is_number(field) && !MISSING.iter().any(|missing| field.eq_ignore_ascii_case(missing))
}

/// How many numbers a line ends in, however they are separated.
pub(crate) fn numbers(line: &[u8]) -> usize {
    // Of a word that is a space, only one of the two sees that it is there.
    Separator::Spaces.trailing_numbers(line).max(Separator::Space.trailing_numbers(line))
}
