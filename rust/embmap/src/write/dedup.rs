//! Which words are new, and which row each gets: the part of writing a store that must happen in order.

use std::collections::HashSet;

use crate::format::{
    word_list::WordList,
    word_set::{Entered, WordSet},
};

/// What happens to a word that was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplicates {
    /// The first row stays.
    #[default]
    First,
    /// The last row takes the first one's place.
    Last,
    /// Conversion fails.
    Error,
}

impl Duplicates {
    /// Every policy and its name.
    pub const ALL: [(&'static str, Duplicates); 3] =
        [("first", Duplicates::First), ("last", Duplicates::Last), ("error", Duplicates::Error)];
}

/// How many words ahead the table is asked for: about as many as are placed while memory answers.
const AHEAD: usize = 12;

/// The words placed so far, one a row.
pub(crate) struct Deduplicator {
    words: WordSet,
    duplicates: Duplicates,
    /// Words that were there before.
    pub repeated: u64,
    /// Words that became one that was there before, or that such a word had become, when they were mended.
    pub collided: u64,
    /// The rows of words that were mended.
    mended: HashSet<u32>,
}

/// Where the rows of a batch go.
#[derive(Debug, Default)]
pub(crate) struct Assignment {
    /// The row of the first new word.
    pub first: u64,
    /// For each row of the batch, whether its word is new; empty when all are.
    pub new: Vec<bool>,
    /// Rows of the batch, and the rows of the store whose numbers they replace.
    pub replaced: Vec<(usize, u64)>,
    /// The row of the batch that reached the limit; those behind it are not placed.
    pub last: Option<usize>,
}

/// A word that cannot be placed.
#[derive(Debug)]
pub(crate) struct RejectedWord {
    /// Its row in the batch.
    pub row: usize,
    pub reason: String,
}

impl Deduplicator {
    pub(crate) fn new(duplicates: Duplicates) -> Deduplicator {
        Deduplicator { words: WordSet::default(), duplicates, repeated: 0, collided: 0, mended: HashSet::new() }
    }

    /// What the hashes for [`place`](Self::place) are keyed with.
    pub(crate) fn seed(&self) -> u64 {
        self.words.seed()
    }

    /// Makes room for as many rows in all.
    pub(crate) fn reserve(&mut self, rows: usize) {
        self.words.reserve(rows);
    }

    /// Rows that have been placed.
    pub(crate) fn rows(&self) -> u64 {
        self.words.words().len() as u64
    }

    /// Gives words, whose hashes are known, their rows, up to `limit` rows in all. Those at `mended`, in order, are not as
    /// they were in the source.
    pub(crate) fn place<'w>(
        &mut self,
        words: impl ExactSizeIterator<Item = &'w [u8]>,
        hashes: &[u64],
        mended: &[usize],
        limit: Option<u64>,
    ) -> Result<Assignment, RejectedWord> {
        let mut assignment = Assignment { first: self.rows(), ..Assignment::default() };
        let n = words.len();
        let is_mended = |row: usize| !mended.is_empty() && mended.binary_search(&row).is_ok();
        for (i, (word, &hash)) in words.zip(hashes).enumerate() {
            if let Some(&later) = hashes.get(i + AHEAD) {
                self.words.prefetch(later);
            }
            let id = match self.words.enter(word, hash) {
                Entered::Full => {
                    let reason = "more than 4 GiB of words, or 2³² rows, do not fit one store: convert them to several, with shards=";
                    return Err(RejectedWord { row: i, reason: reason.into() });
                }
                Entered::New => {
                    if is_mended(i) {
                        self.mended.insert(self.rows() as u32 - 1);
                    }
                    if !assignment.new.is_empty() {
                        assignment.new[i] = true;
                    }
                    if limit == Some(self.rows()) {
                        assignment.new.resize(i + 1, true);
                        assignment.new.resize(n, false);
                        assignment.last = Some(i);
                        return Ok(assignment);
                    }
                    continue;
                }
                Entered::Known(id) => id,
            };
            let collides = is_mended(i) || self.mended.contains(&id);
            *if collides { &mut self.collided } else { &mut self.repeated } += 1;
            match self.duplicates {
                Duplicates::First => {}
                Duplicates::Last => assignment.replaced.push((i, u64::from(id))),
                Duplicates::Error => {
                    let word = String::from_utf8_lossy(word);
                    let mut reason = format!("the word {word:?} was there before, as row {id}");
                    if collides {
                        reason += ", when what is not in the encoding is mended; errors=\"backslashreplace\" keeps them apart";
                    }
                    return Err(RejectedWord { row: i, reason });
                }
            }
            if assignment.new.is_empty() {
                assignment.new = vec![false; n];
                assignment.new[..i].fill(true);
            }
        }
        Ok(assignment)
    }

    /// All words, in row order.
    pub(crate) fn into_words(self) -> WordList {
        self.words.into_words()
    }
}
