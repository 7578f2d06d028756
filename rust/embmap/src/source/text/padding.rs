//! Whether the spaces of a text are those of its layout: columns that are padded to a width.
//!
//! A word may begin or end with a space, and one row may have a space too many. So the rows must agree on why they have theirs:
//! `%9.5f` and `% .5f` put some between numbers, `%-12s` behind words so that the numbers begin in one column, `%12s` before
//! words so that those end in one, and some writers put one before each row, or two behind each word.

use super::row::{is_space, trim_spaces_end};
use crate::source::options::Separator;

/// Rows from which spaces around words alone are believed.
const ENOUGH: usize = 3;

/// The spaces of a row of `dim` numbers.
struct Spaces {
    /// Before the row.
    indent: usize,
    /// Between the word and its first number.
    behind_word: usize,
    /// Whether there are several in a row between two numbers.
    between: bool,
    /// The columns, in characters, in which the word ends and the first number begins.
    word_end: usize,
    number_start: usize,
    negative: bool,
}

/// Whether rows of `dim` numbers have spaces for one of those reasons.
pub(super) fn is_of_the_layout(sample: &[&[u8]], dim: usize) -> bool {
    if dim == 0 {
        return false;
    }
    let rows: Vec<Spaces> = sample.iter().filter_map(|line| Spaces::of(line, dim)).collect();
    let count = |is: fn(&Spaces) -> bool| rows.iter().filter(|row| is(row)).count();
    let between = count(|row| row.between);
    // Of numbers with room for a sign, some rows have no space too many; a row of them alone has nothing to agree with.
    if 2 * between > rows.len() || (between > 1 && 5 * between >= rows.len()) {
        return true;
    }
    if rows.len() < ENOUGH {
        return false;
    }
    let wide = count(|row| row.behind_word > 1);
    let all = |is: &dyn Fn(&Spaces) -> bool| rows.iter().all(is);
    let start = rows.iter().filter(|row| row.behind_word > 1).map(|row| row.number_start).max().unwrap_or(0);
    let end = rows.iter().filter(|row| row.indent > 0).map(|row| row.word_end).max().unwrap_or(0);
    all(&|row| row.indent > 0)
        || wide == rows.len()
        || (2 * wide >= rows.len()
            && all(&|row| row.number_start == start || (row.behind_word == 1 && row.number_start > start)))
        || (wide > 1 && all(&|row| (row.behind_word > 1) != row.negative))
        || (2 * count(|row| row.indent > 0) >= rows.len()
            && all(&|row| row.word_end == end || (row.indent == 0 && row.word_end > end)))
}

impl Spaces {
    /// `None` where the row has no word and `dim` more fields.
    fn of(line: &[u8], dim: usize) -> Option<Spaces> {
        let line = trim_spaces_end(line);
        let (mut end, mut between, mut start) = (line.len(), false, line.len());
        let mut run = 0;
        for i in 0..dim {
            let before = Separator::Spaces.before(&line[..end])?;
            let spaces = &line[before..end];
            run = spaces.iter().take_while(|&&byte| is_space(byte)).count();
            // Empty fields between tabs are no padding.
            let padded = run > 1 && spaces[..run].contains(&b' ');
            between |= padded && i + 1 < dim;
            if !padded {
                run = run.min(1);
            }
            (start, end) = (before + spaces.iter().take_while(|&&byte| is_space(byte)).count(), before);
        }
        let column = |at: usize| String::from_utf8_lossy(&line[..at]).chars().count();
        Some(Spaces {
            indent: line.iter().take_while(|&&byte| byte == b' ').count(),
            behind_word: run,
            between,
            word_end: column(end),
            number_start: column(start),
            negative: line.get(start) == Some(&b'-'),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_padded(text: &str, dim: usize) -> bool {
        is_of_the_layout(&text.lines().map(str::as_bytes).collect::<Vec<_>>(), dim)
    }

    #[test]
    fn rows_that_agree_are_padded() {
        for (text, dim) in [
            ("a  0.1 -0.2\nb -0.1  0.2\nc -0.1 -0.2\nd  0.1  0.2\n", 2),
            ("a   0.1  0.2\nb  -0.1  0.2\n", 2),
            ("the   1 2\nriver 3 4\na     5 6\n", 2),
            ("the   1 2\nmountain 3 4\na     5 6\n", 2),
            ("über  1 2\nriver 3 4\na     5 6\n", 2),
            ("  the 1 2\nriver 3 4\n    a 5 6\n", 2),
            ("the  1 2\nriver  3 4\na  5 6\n", 2),
            (" the 1 2\n river 3 4\n a 5 6\n", 2),
            ("the  0.5\nriver -0.5\na  0.25\n", 1),
        ] {
            assert!(is_padded(text, dim), "{text:?}");
        }
    }

    #[test]
    fn a_space_of_one_row_or_of_a_word_is_no_layout() {
        for (text, dim) in [
            ("a 1 2\nb 3  4\n", 2),
            ("first 1 2\na  3 4\nlast 5 6\n", 2),
            ("first 1 2\n a 3 4\nlast 5 6\n", 2),
            ("a  1 2\n", 2),
            ("a  1 2\nb  3 4\n", 2),
            ("a  1 2\nbc  3 4\nd 5 6\n", 2),
            ("a\t\t1\nb\t\t2\nc\t\t3\n", 1),
        ] {
            assert!(!is_padded(text, dim), "{text:?}");
        }
    }
}
