//! The line "rows dim", and what follows it: records of word2vec's binary form, or text, which may begin with the same line.

use super::records::{Next, Record};
use crate::source::{
    head::Head,
    text::{fields, layout},
};

/// Longer first lines are no header.
const LONGEST_BYTES: usize = 64;

/// Records and lines that are looked at.
const SAMPLE_RECORDS: usize = 1000;

/// What a file announces in its first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub rows: u64,
    pub dim: usize,
    /// Its bytes, the newline included.
    pub length: usize,
}

impl Header {
    /// The header that `head` begins with, if it does.
    pub(crate) fn of(head: &[u8]) -> Option<Header> {
        let newline = memchr::memchr(b'\n', &head[..head.len().min(LONGEST_BYTES)])?;
        let (rows, dim) = layout::announced(&head[..newline])?;
        Some(Header { rows, dim, length: newline + 1 })
    }

    /// Bytes of a record's numbers.
    pub(crate) fn width(&self) -> usize {
        self.dim * size_of::<f32>()
    }
}

/// What follows a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Lines of words and numbers.
    Text,
    /// Word2vec's binary records.
    Records,
    /// What can be records and has no byte that text may not have.
    Unclear,
    /// No header, nothing behind it, or neither text nor records.
    Other,
}

impl Form {
    /// Judges a file by its beginning. Text comes first: with numbers of three characters, as in `a 0.5 0.2`, its rows are
    /// records of sound floats too, while records that read as rows of numbers would be a miracle.
    pub(crate) fn of(head: &Head) -> Form {
        let Some(header) = Header::of(&head.bytes) else { return Form::Other };
        let lines = head.whole_lines().get(header.length..).unwrap_or_default();
        let lines = lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).take(SAMPLE_RECORDS);
        let (mut rows, mut others) = (0, 0);
        for line in lines {
            // A row with some numbers too few is one still.
            if fields::numbers(line) >= header.dim.min(2) || fields::is_sparse(line) { rows += 1 } else { others += 1 }
        }
        if rows > 0 && rows >= others {
            return Form::Text;
        }
        let seen = Seen::records(&head.bytes[header.length..], header.width());
        if seen.strange * 2 >= seen.words || seen.sound * 2 < seen.numbers.max(1) {
            Form::Other
        } else if seen.no_text {
            Form::Records
        } else {
            Form::Unclear
        }
    }
}

/// What bytes hold, taken as records.
#[derive(Debug, Default)]
struct Seen {
    words: usize,
    /// Words that are empty, or hold control characters.
    strange: usize,
    numbers: usize,
    /// Numbers of a size that vectors have.
    sound: usize,
    /// Whether there is anything among the numbers that no text holds.
    no_text: bool,
}

impl Seen {
    fn records(bytes: &[u8], width: usize) -> Seen {
        let (mut seen, mut at) = (Seen::default(), 0);
        for _ in 0..SAMPLE_RECORDS {
            match Record::next(bytes, at, width) {
                Next::Whole(record) => {
                    seen.add(&bytes[record.word..record.space], record.numbers(bytes, width));
                    at = record.space + 1 + width;
                }
                Next::Part { word } => {
                    let part = &bytes[word..];
                    let space = memchr::memchr(b' ', part).unwrap_or(part.len());
                    seen.add(&part[..space], part.get(space + 1..).unwrap_or_default());
                    break;
                }
                Next::Nothing => break,
                Next::Endless => return Seen::default(),
            }
        }
        seen
    }

    fn add(&mut self, word: &[u8], numbers: &[u8]) {
        self.words += 1;
        self.strange += usize::from(word.is_empty() || word.iter().any(u8::is_ascii_control));
        for number in numbers.as_chunks().0 {
            let x = f32::from_le_bytes(*number).abs();
            self.numbers += 1;
            self.sound += usize::from(x == 0.0 || (1e-9..1e6).contains(&x));
        }
        let control = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r');
        // A character that the end cuts is no sign: it is the end of what is looked at.
        let broken = |bytes| str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some());
        self.no_text |= numbers.iter().any(control) || broken(numbers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(rows: usize, dim: usize, records: &[(&[u8], &[f32])], newline: &[u8]) -> Vec<u8> {
        let mut bytes = format!("{rows} {dim}\n").into_bytes();
        for (word, numbers) in records {
            bytes.extend([word, &b" "[..], bytemuck::cast_slice(numbers), newline].concat());
        }
        bytes
    }

    fn form(bytes: &[u8]) -> Form {
        Form::of(&Head::of(bytes))
    }

    #[test]
    fn headers() {
        assert_eq!(Header::of(b"3 2\na"), Some(Header { rows: 3, dim: 2, length: 4 }));
        assert_eq!(Header::of(b"3 2\r\na"), Some(Header { rows: 3, dim: 2, length: 5 }));
        for none in ["", "3 2", "3\n", "a 2\n", "3 0\n", "3 2 1\n", "3 -2\n", "\u{feff}3 2\n"] {
            assert_eq!(Header::of(none.as_bytes()), None, "{none:?}");
        }
        assert_eq!(Header::of(&[&[b'1'; 100][..], b" 2\n"].concat()), None);
    }

    #[test]
    fn text_that_is_records_too_is_text() {
        for text in [
            "2 2\na 0.5 0.2\nb 0.1 0.3\n",
            "1 1\na 1.5\n",
            "2 2\na\t0.5\t0.2\nb\t0.1\t0.3\n",
            "2 3\na 0.5 0.2\nb 0.1 0.3\n",
            "2 2\na 0.5 0.2\nbad\n",
            "1 2\n\0 1e0 nan\n",
        ] {
            assert_eq!(form(text.as_bytes()), Form::Text, "{text:?}");
        }
    }

    #[test]
    fn records_are_told_by_what_text_does_not_hold() {
        for newline in [&b""[..], b"\n"] {
            assert_eq!(form(&file(1, 1, &[(b"a", &[1.0])], newline)), Form::Records);
            assert_eq!(form(&file(1, 1, &[(b"a", &[0.0])], newline)), Form::Records);
            assert_eq!(
                form(&file(9, 2, &[(b"1.5", &[0.1, -0.2]), (b"\xff", &[0.1, f32::NAN])], newline)),
                Form::Records
            );
            // 0.7 is "333?": it takes another number to be sure.
            assert_eq!(form(&file(1, 1, &[(b"a", &[0.7])], newline)), Form::Unclear);
            assert_eq!(form(&file(2, 1, &[(b"a", &[0.7]), (b"b", &[0.1])], newline)), Form::Records);
        }
        // Cut in its first record.
        assert_eq!(form(b"1000 300\nthe \xcd\xcc\xcc\x3d\xcd\xcc"), Form::Records);
    }

    #[test]
    fn what_is_neither_is_neither() {
        for other in [
            &b"2 2\n"[..],
            b"2 2\nhello world, this is prose\n",
            b"2 2\nabc",
            // Half precision, which falls out of step.
            b"2 4\na \0\x3c\0\x3c\0\x3c\0\x3c\nb \0\x3c\0\x3c\0\x3c\0\x3c\n",
        ] {
            assert_eq!(form(other), Form::Other, "{}", other.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn numbers_as_models_have_them_are_records(
            rows in prop::collection::vec(("[^ \n\\p{Cc}]{1,8}", prop::collection::vec(-2.0f32..2.0, 3)), 1..40),
            newline in prop::sample::select(vec![&b""[..], b"\n"]),
        ) {
            let records: Vec<(&[u8], &[f32])> = rows.iter().map(|(word, row)| (word.as_bytes(), &row[..])).collect();
            prop_assert_eq!(form(&file(rows.len(), 3, &records, newline)), Form::Records);
        }

        #[test]
        fn text_is_never_records(
            rows in prop::collection::vec(("[^ \n\r\t]{1,8}", "-?[0-9]\\.[0-9]{0,7}( -?[0-9]\\.[0-9]{0,7}){2}"), 1..40),
        ) {
            let lines: String = rows.iter().map(|(word, numbers)| format!("{word} {numbers}\n")).collect();
            prop_assert_eq!(form(format!("{} 3\n{lines}", rows.len()).as_bytes()), Form::Text);
        }
    }
}
