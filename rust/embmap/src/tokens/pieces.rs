//! What a tokenizer made of the pieces of texts, the parts between blanks: each is cut once, wherever it stands.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
};

use crate::format::hash::hash;

/// What parts pieces: white space to every tokenizer.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// Where texts part into pieces.
#[derive(Debug, Clone)]
pub struct Parting {
    /// Of each byte, what parts it from the next.
    bytes: [Class; 256],
}

/// What a byte does to the piece that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// It keeps the piece whole, from blank to blank.
    Whole,
    /// It stands with others of its class.
    Word,
    /// It stands with others of its class.
    Mark,
    /// It stands alone.
    Alone,
}

impl Parting {
    /// At blanks.
    pub fn blanks() -> Self {
        Parting { bytes: [Class::Whole; 256] }
    }

    /// At blanks; and between them, where all characters are graphic ASCII, around each punctuation mark.
    pub fn punctuation() -> Self {
        Parting::graphic(|byte| if byte.is_ascii_punctuation() { Class::Alone } else { Class::Word })
    }

    /// At blanks; and between them, where all characters are graphic ASCII, between those of words and others.
    pub fn words() -> Self {
        Parting::graphic(|byte| if byte.is_ascii_alphanumeric() || byte == b'_' { Class::Word } else { Class::Mark })
    }

    fn graphic(class: impl Fn(u8) -> Class) -> Self {
        let bytes = (0..=u8::MAX).map(|byte| if byte.is_ascii_graphic() { class(byte) } else { Class::Whole });
        Parting { bytes: bytes.collect::<Vec<_>>().try_into().expect("a class for each byte") }
    }

    /// The same, but that what has one of `bytes` between two blanks is left whole.
    #[must_use]
    pub fn but_whole(mut self, bytes: &[u8]) -> Self {
        bytes.iter().for_each(|&byte| self.bytes[usize::from(byte)] = Class::Whole);
        self
    }

    /// Whether a piece is what is parted no further, rather than left whole.
    pub fn leaves(&self, piece: &str) -> bool {
        let mut parts = 0;
        self.pieces(piece, |_| parts += 1);
        parts == 1 && piece.bytes().all(|byte| self.class(byte) != Class::Whole)
    }

    fn class(&self, byte: u8) -> Class {
        self.bytes[usize::from(byte)]
    }

    /// Gives `each` the pieces of a text, in order.
    fn pieces<'t>(&self, text: &'t str, mut each: impl FnMut(&'t str)) {
        for whole in text.split(BLANKS).filter(|whole| !whole.is_empty()) {
            let class = |at: usize| self.class(whole.as_bytes()[at]);
            let mut start = 0;
            if (0..whole.len()).all(|at| class(at) != Class::Whole) {
                for at in 1..whole.len() {
                    if class(at) != class(at - 1) || class(at) == Class::Alone {
                        each(&whole[start..at]);
                        start = at;
                    }
                }
            }
            each(&whole[start..]);
        }
    }
}

/// The tokens of pieces, by the pieces' numbers.
#[derive(Debug)]
pub struct Pieces {
    numbers: HashMap<Box<str>, u32, Seeded>,
    tokens: Vec<i64>,
    /// Where the tokens of a piece begin, and of the next.
    starts: Vec<usize>,
}

impl Default for Pieces {
    fn default() -> Self {
        Pieces { numbers: HashMap::with_hasher(Seeded::new()), tokens: Vec::new(), starts: vec![0] }
    }
}

impl Pieces {
    /// How many pieces have a number.
    pub fn count(&self) -> usize {
        self.numbers.len()
    }

    /// Puts the numbers of a text's pieces into `numbers`, and into `new` the pieces that have had none: they are numbered on,
    /// and [`learn`](Pieces::learn) is owed their tokens.
    pub fn number<'t>(&mut self, parting: &Parting, text: &'t str, numbers: &mut Vec<u32>, new: &mut Vec<&'t str>) {
        parting.pieces(text, |piece| {
            let number = self.numbers.get(piece).copied().unwrap_or_else(|| {
                let next = u32::try_from(self.numbers.len()).expect("fewer pieces than 4 Gi");
                self.numbers.insert(piece.into(), next);
                new.push(piece);
                next
            });
            numbers.push(number);
        });
    }

    /// Takes the tokens of the pieces that were new: `counts[i]` of the next `tokens` are those of the `i`-th.
    pub fn learn(&mut self, counts: &[usize], tokens: &[i64]) -> Result<(), String> {
        let (known, sum) = (self.starts.len() - 1, counts.iter().sum::<usize>());
        if known + counts.len() != self.count() || sum != tokens.len() {
            let owed = self.count() - known;
            return Err(format!("{} tokens of {} pieces for {owed} with {sum}", tokens.len(), counts.len()));
        }
        let mut end = self.tokens.len();
        self.starts.extend(counts.iter().map(|count| {
            end += count;
            end
        }));
        self.tokens.extend_from_slice(tokens);
        Ok(())
    }

    /// The tokens of a piece.
    pub fn tokens(&self, number: u32) -> &[i64] {
        let number = number as usize;
        &self.tokens[self.starts[number]..self.starts[number + 1]]
    }
}

/// The hash of the format, which is faster on short keys, under a seed that no text can know.
#[derive(Debug, Clone, Copy)]
struct Seeded(u64);

impl Seeded {
    fn new() -> Self {
        Seeded(RandomState::new().build_hasher().finish())
    }
}

impl BuildHasher for Seeded {
    type Hasher = Seeded;

    fn build_hasher(&self) -> Seeded {
        *self
    }
}

impl Hasher for Seeded {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(bytes, self.0);
    }

    /// What ends a key, which is hashed with its length.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_part_at_blanks_and_further() {
        let parts = |parting: &Parting, text| {
            let mut found = Vec::new();
            parting.pieces(text, |piece| found.push(piece));
            found.join("|")
        };
        let text = " \"don't\", he_said...\t[MASK] caf\u{e9}! a\u{1},";
        assert_eq!(parts(&Parting::blanks(), text), "\"don't\",|he_said...|[MASK]|caf\u{e9}!|a\u{1},");
        let marks = "\"|don|'|t|\"|,|he|_|said|.|.|.|[|MASK|]|caf\u{e9}!|a\u{1},";
        assert_eq!(parts(&Parting::punctuation(), text), marks);
        let words = "\"|don|'|t|\",|he_said|...|[MASK]|caf\u{e9}!|a\u{1},";
        assert_eq!(parts(&Parting::words().but_whole(b"["), text), words);
        assert_eq!(parts(&Parting::words(), ""), "");
        let parting = Parting::punctuation().but_whole(b"[");
        let left = ["don", "'", "don't", "don[", "caf\u{e9}", ""].map(|piece| parting.leaves(piece));
        assert_eq!(left, [true, true, false, false, false, false]);
    }

    #[test]
    fn a_piece_is_asked_for_once() {
        let (mut pieces, blanks) = (Pieces::default(), Parting::blanks());
        let (mut numbers, mut new) = (Vec::new(), Vec::new());
        pieces.number(&blanks, " don't  panic\n", &mut numbers, &mut new);
        pieces.number(&blanks, "\u{a0}panic don't\tpanic", &mut numbers, &mut new);
        assert_eq!(
            (numbers.as_slice(), new.as_slice()),
            (&[0, 1, 2, 0, 1][..], &["don't", "panic", "\u{a0}panic"][..])
        );
        assert!(pieces.learn(&[1], &[7]).is_err());
        assert!(pieces.learn(&[3, 0, 1], &[7]).is_err());
        pieces.learn(&[3, 0, 1], &[7, 8, 9, 5]).expect("three pieces");
        assert_eq!([0, 1, 2].map(|number| pieces.tokens(number)), [&[7, 8, 9][..], &[], &[5]]);
        new.clear();
        pieces.number(&blanks, "panic now", &mut numbers, &mut new);
        assert_eq!((new.as_slice(), pieces.count()), (&["now"][..], 4));
        pieces.learn(&[1], &[-1]).expect("a piece");
        assert_eq!(pieces.tokens(3), [-1]);
    }
}
