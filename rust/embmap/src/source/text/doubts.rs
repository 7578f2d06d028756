//! Texts that would be misread without a sound: what their first rows say, and what to do.

use super::{
    fields::{are_numbers, is_number, numbers, shown},
    row,
};
use crate::source::{
    encoding::{self, Utf8Errors},
    options::{Options, Separator},
};

pub(super) const SPARSE: &str = "the rows are sparse, index:value, which embmap does not read: load them into a matrix \
                                 (scipy's, say), make it dense, and give words and rows to embmap.write()";

/// What ends the word in a file that separates it otherwise than the numbers.
const ENDS: &[u8] = b",;:|=";

/// Whether lines end in carriage returns alone, and what to do.
pub(super) fn line_ends(text: &[u8]) -> Option<String> {
    memchr::memchr(b'\r', text)?;
    let newlines = memchr::memchr_iter(b'\n', text).count();
    let rows = text.split(|&byte| byte == b'\r').filter(|row| !row.contains(&b'\n') && numbers(row) > 0).count();
    (rows > 1 && rows > newlines).then(|| {
        "the lines end in carriage returns alone, as on an old Macintosh: make them newlines (tr '\\r' '\\n')"
            .to_string()
    })
}

/// The first rows of a text whose layout was found.
pub(super) struct Rows<'a> {
    pub lines: &'a [&'a [u8]],
    pub words: &'a [&'a [u8]],
    /// Whether no row has a word.
    pub only_numbers: bool,
    /// Whether a header says how many numbers a row has.
    pub announced: bool,
    pub separator: Separator,
    pub dim: usize,
}

impl Rows<'_> {
    /// Why they would not be read as they are meant, and which of them shows it, counted from 0.
    pub(super) fn doubt(&self, options: &Options) -> Option<(u64, String)> {
        let Rows { lines, words, announced, separator, dim, .. } = *self;
        if self.only_numbers {
            return Some((0, no_words(dim, None)));
        }
        let first = words.first()?;
        let settled = announced || options.dim.is_some();
        if !settled && are_numbers(words) {
            return Some((0, no_words(dim + 1, Some(dim))));
        }
        if !announced && options.dim.is_none() && options.header.is_none() && dim == 1 {
            return Some((
                0,
                format!(
                    "one number a row, as in {:?}: a list of counts or of similarities has that too; where these are vectors of \
                 one number, say dim=1",
                    shown(lines[0])
                ),
            ));
        }
        let most = |count: usize| 2 * count > words.len();
        let swallowed: Vec<(&[u8], &[u8], u8)> =
            words.iter().filter_map(|whole| swallowed(whole).map(|(word, by)| (*whole, word, by))).collect();
        if !settled && most(swallowed.iter().filter(|(_, word, _)| !is_number(word)).count()) {
            let (whole, _, by) = swallowed[0];
            let (by, rest) = (char::from(by), char::from(separator.byte()));
            return Some((
                0,
                format!(
                    "the word {:?} ends in a number, as most others do: {by:?} separates the word from its first numbers, {rest:?} \
                     the others; make it one separator for all, or say dim={dim} where the numbers are the words' own",
                    shown(whole),
                ),
            ));
        }
        let ended = |end: u8| words.iter().filter(move |word| word.len() > 1 && word.ends_with(&[end]));
        if let Some(&end) = ENDS.iter().find(|&&end| words.len() > 1 && most(ended(end).count()))
            && !settled
        {
            let (end, of) = (char::from(end), ended(end).next());
            return Some((
                0,
                format!(
                    "the word {:?} ends in {end:?}, as most others do: take it away, as it is no part of the words, or say \
                     dim={dim} where it is",
                    shown(of.unwrap_or(first))
                ),
            ));
        }
        let tabbed = |word: &&&[u8]| word.contains(&b'\t');
        if separator == Separator::Tab && !settled && most(words.iter().filter(tabbed).count()) {
            let of = words.iter().find(tabbed).unwrap_or(first);
            return Some((0, columns(2, '\t', of.split(|&byte| byte == b'\t').next().unwrap_or_default())));
        }
        if options.encoding.is_utf8() && options.errors == Utf8Errors::Strict {
            return in_another_encoding(words).map(|reason| (0, reason));
        }
        None
    }
}

/// Why a first row whose numbers count is not read, where the others have fractions.
pub(crate) fn names_or_numbers(row: &str) -> String {
    format!(
        "the first row, {row:?}, names the columns by numbers or is a vector: say which with header=True or header=False"
    )
}

/// Why rows with several columns before the numbers, the first of which has `field`, are not read.
pub(crate) fn columns(lead: usize, delimiter: char, field: &[u8]) -> String {
    format!(
        "{lead} columns separated by {delimiter:?} stand before the numbers, the first of them {:?}: which one has the words? Read \
         the table with pandas, and give words and matrix to embmap.write()",
        shown(field)
    )
}

/// Why rows that end in no number are none, and what to do.
pub(super) fn no_numbers(sample: &[&[u8]], first: &[u8]) -> String {
    let found = shown(sample.first().unwrap_or(&first));
    let bracketed = |line: &&[u8]| row::trim_spaces_end(line).ends_with(b"]");
    if !sample.is_empty() && sample.iter().all(bracketed) {
        return format!(
            "the numbers are in brackets, as in {found:?}, as Python and NumPy print them: take the brackets away (tr -d '[],'), or \
             give words and matrix to embmap.write()"
        );
    }
    format!("expected a word and its numbers, found {found:?}: this is no file of vectors")
}

/// The word proper of one that has swallowed a number, and what separates the two.
fn swallowed(word: &[u8]) -> Option<(&[u8], u8)> {
    let at = word.iter().rposition(|byte| ENDS.contains(byte)).filter(|&at| at > 0)?;
    is_number(&word[at + 1..]).then_some((&word[..at], word[at]))
}

/// The reason to refuse rows of `count` numbers and no word, unless they are words and `dim` numbers.
pub(crate) fn no_words(count: usize, dim: Option<usize>) -> String {
    let otherwise = dim.map_or(String::new(), |dim| format!("; where the first numbers are the words, say dim={dim}"));
    format!(
        "most rows begin with a fraction: these are rows of {count} numbers without words, which are in another file \
         (metadata.tsv, vocab.txt): name that with words={otherwise}"
    )
}

/// Whether words are in another encoding than UTF-8, not just damaged here and there, and what to do.
pub(crate) fn in_another_encoding(words: &[&[u8]]) -> Option<String> {
    let wide: Vec<&&[u8]> = words.iter().filter(|word| !word.is_ascii()).collect();
    let others: Vec<&[u8]> = wide.iter().filter(|word| std::str::from_utf8(word).is_err()).map(|word| **word).collect();
    if others.len() < 3 || 2 * others.len() < wide.len() {
        return None;
    }
    let guess = encoding::guess(&others.join(&b' '));
    Some(format!(
        "{} of the first {} words are not UTF-8, b\"{}\" for one: the file is in another encoding; encoding={guess:?} (a guess) \
         or its like reads it, errors=\"replace\" would make different words the same",
        others.len(),
        words.len(),
        others[0].escape_ascii()
    ))
}

#[cfg(test)]
mod tests {
    use super::{super::layout::Layout, *};

    fn reason(text: &str) -> Option<String> {
        Layout::find(text.as_bytes(), &Options::default()).err().map(|(_, reason)| reason)
    }

    #[test]
    fn what_would_be_misread_says_what_it_is() {
        for (text, part) in [
            ("0.5 0.25\n-0.5 1e-3\n", "without words"),
            ("0.5\t0.25\n-0.5\t1e-3\n", "without words"),
            ("the 120\nriver 80\n", "dim=1"),
            ("a,1 0 0\nb,0 1 0\n", "separator for all"),
            ("a: 1 0 0\nb: 0 1 0\n", "no part of the words"),
            ("a: 1 0 0\nb: 0 1 0\n: 1 1 1\n", "no part of the words"),
            ("a,1 0 0\nb,0 1 0\nc 1 1 1\n", "separator for all"),
            ("0\t0\t0\n0.5\t0.25\t1.5\n0.5\t0.1\t2\n", "without words"),
            ("2 9\na 1:0.5 7:0.25\nb 3:0.5\n", "sparse"),
            ("a 1:0.5 7:0.25\nb 3:0.5\n", "sparse"),
            ("a 1 2\rb 3 4\rc 5 6\r", "carriage returns"),
            ("2 3\n0.5 0.25 1\n-0.5 1e-3 2\n", "without words"),
            ("a [0.5, 0.25]\nb [1.5, 2]\n", "brackets"),
            ("a [0.5 0.25]\nb [1.5 2.]\n", "brackets"),
        ] {
            let found = reason(text).unwrap_or_default();
            assert!(found.contains(part), "{text:?}: {found}");
        }
    }

    #[test]
    fn what_only_looks_odd_is_read() {
        for text in [
            "34 0.1 0.2\n1 0.2 0.1\n",
            "1,000 0.5 0.25\nthe 0.1 0.2\n",
            "1,000 0.5 0.25\n2,500 0.1 0.2\n",
            "0.5 0.5 0.25\nthe 0.1 0.2\n",
            ": 0.5 0.25\n, 0.1 0.2\n",
            ": 0.5 0.25\n, 0.1 0.2\na: 0.1 0.2\n",
            "2 2\nuser:1 0.1 0.2\nuser:2 0.3 0.4\n",
            "2 2\na; 0.1 0.2\nb; 0.3 0.4\n",
            "a 1 2\r\nb 3 4\r\n",
            "a\rb 1 2\nb 3 4\n",
        ] {
            assert_eq!(reason(text), None, "{text:?}");
        }
    }
}
