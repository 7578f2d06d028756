//! What a tokenizer made of the pieces of texts, the parts between blanks: each is cut once, wherever it stands.

use std::collections::HashMap;

/// What parts pieces: white space to every tokenizer.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// The tokens of pieces, by the pieces' numbers.
#[derive(Debug)]
pub struct Pieces {
    numbers: HashMap<Box<str>, u32>,
    tokens: Vec<i64>,
    /// Where the tokens of a piece begin, and of the next.
    starts: Vec<usize>,
}

impl Default for Pieces {
    fn default() -> Self {
        Pieces { numbers: HashMap::new(), tokens: Vec::new(), starts: vec![0] }
    }
}

impl Pieces {
    /// How many pieces have a number.
    pub fn count(&self) -> usize {
        self.numbers.len()
    }

    /// Puts the numbers of a text's pieces into `numbers`, and into `new` the pieces that have had none: they are numbered on,
    /// and [`learn`](Pieces::learn) is owed their tokens.
    pub fn number<'t>(&mut self, text: &'t str, numbers: &mut Vec<u32>, new: &mut Vec<&'t str>) {
        for piece in text.split(BLANKS).filter(|piece| !piece.is_empty()) {
            let number = self.numbers.get(piece).copied().unwrap_or_else(|| {
                let next = u32::try_from(self.numbers.len()).expect("fewer pieces than 4 Gi");
                self.numbers.insert(piece.into(), next);
                new.push(piece);
                next
            });
            numbers.push(number);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_asked_for_once() {
        let mut pieces = Pieces::default();
        let (mut numbers, mut new) = (Vec::new(), Vec::new());
        pieces.number(" don't  panic\n", &mut numbers, &mut new);
        pieces.number("\u{a0}panic don't\tpanic", &mut numbers, &mut new);
        assert_eq!(
            (numbers.as_slice(), new.as_slice()),
            (&[0, 1, 2, 0, 1][..], &["don't", "panic", "\u{a0}panic"][..])
        );
        assert!(pieces.learn(&[1], &[7]).is_err());
        assert!(pieces.learn(&[3, 0, 1], &[7]).is_err());
        pieces.learn(&[3, 0, 1], &[7, 8, 9, 5]).expect("three pieces");
        assert_eq!([0, 1, 2].map(|number| pieces.tokens(number)), [&[7, 8, 9][..], &[], &[5]]);
        new.clear();
        pieces.number("panic now", &mut numbers, &mut new);
        assert_eq!((new.as_slice(), pieces.count()), (&["now"][..], 4));
        pieces.learn(&[1], &[-1]).expect("a piece");
        assert_eq!(pieces.tokens(3), [-1]);
    }
}
