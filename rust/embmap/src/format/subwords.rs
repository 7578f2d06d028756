//! The section of parameters of n-grams: how words are cut, and which buckets have a row.

use super::u32_at;
use crate::error::{FormatError, corrupt};

// The fields, in order, each a `u32`; the buckets that have a row follow.
const KIND: usize = 0;
const MINN: usize = 1;
const MAXN: usize = 2;
const BUCKETS: usize = 3;
const FLAGS: usize = 4;
const ROWS: usize = 5;
/// Bytes of the parameters before the buckets, of fastText's scheme.
const PARAMETERS_LEN: usize = 4 * (ROWS + 1);
/// The schemes of n-grams that there are; floret's has two fields more.
const FASTTEXT: u32 = 1;
const FLORET: u32 = 2;
const FLORET_LEN: usize = PARAMETERS_LEN + 8;
/// The 32-bit numbers that a hash of floret's has.
pub(crate) const MOST_HASHES: u32 = 4;
/// More than any model has; a longer n-gram would make long words slow.
pub(crate) const LONGEST: u32 = 255;
const OF_EOS: u32 = 1;
const UNIT: u32 = 2;

/// How words are cut into n-grams. Hashes are taken modulo `buckets`; a division by zero where there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ngrams {
    /// Characters of the shortest n-gram.
    pub minn: u32,
    /// Characters of the longest.
    pub maxn: u32,
    /// Buckets, at least 1.
    pub buckets: u32,
    /// Whether `</s>`, the end of a line, has n-grams as other words have: in models from before May 2017 it does.
    pub of_eos: bool,
    /// Which pieces of a word count, and where each has its rows.
    pub scheme: Scheme,
}

/// Which pieces of a word count, and where each has its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// fastText's: the n-grams, each in one bucket by FNV-1a.
    FastText,
    /// floret's: the whole word and its n-grams, each in as many buckets by MurmurHash3.
    Floret {
        /// Buckets of a piece, 1 to 4.
        hashes: u32,
        /// Where the hash starts.
        seed: u32,
    },
}

/// What the parameters of a store's subwords are, and the bytes of their section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub ngrams: Ngrams,
    /// Whether vectors are scaled to length 1.
    pub unit: bool,
    /// Rows of the buckets.
    pub rows: u32,
}

impl Parameters {
    /// The section; `kept` are the buckets that have a row, in order, where not all have.
    pub(crate) fn encode(&self, kept: Option<&[u32]>) -> Vec<u8> {
        let Ngrams { minn, maxn, buckets, of_eos, scheme } = self.ngrams;
        let flags = if of_eos { OF_EOS } else { 0 } | if self.unit { UNIT } else { 0 };
        let (kind, more) = match scheme {
            Scheme::FastText => (FASTTEXT, Vec::new()),
            Scheme::Floret { hashes, seed } => (FLORET, vec![hashes, seed]),
        };
        let fields = [kind, minn, maxn, buckets, flags, self.rows];
        fields.iter().chain(&more).chain(kept.unwrap_or_default()).flat_map(|field| field.to_le_bytes()).collect()
    }

    /// The parameters, and the bytes behind them: the buckets that have a row, where not all have.
    pub(crate) fn decode(section: &[u8]) -> Result<(Parameters, &[u8]), FormatError> {
        let short = || corrupt(format!("{} bytes of subword parameters", section.len()));
        if section.len() < PARAMETERS_LEN {
            return Err(short());
        }
        let field = |i: usize| u32_at(section, 4 * i);
        let (scheme, length) = match field(KIND) {
            FASTTEXT => (Scheme::FastText, PARAMETERS_LEN),
            FLORET if section.len() < FLORET_LEN => return Err(short()),
            FLORET => (Scheme::Floret { hashes: field(ROWS + 1), seed: field(ROWS + 2) }, FLORET_LEN),
            kind => return Err(FormatError::TooNew(format!("n-grams of kind {kind}"))),
        };
        if field(FLAGS) & !(OF_EOS | UNIT) != 0 {
            return Err(FormatError::TooNew(format!("n-grams with flags {:#x}", field(FLAGS))));
        }
        let ngrams = Ngrams {
            minn: field(MINN),
            maxn: field(MAXN),
            buckets: field(BUCKETS),
            of_eos: field(FLAGS) & OF_EOS != 0,
            scheme,
        };
        ngrams.check().map_err(corrupt)?;
        Ok((Parameters { ngrams, unit: field(FLAGS) & UNIT != 0, rows: field(ROWS) }, &section[length..]))
    }
}

impl Ngrams {
    /// What is wrong with them, where a word could not be cut by them.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Ngrams { maxn, buckets, .. } = *self;
        if maxn > LONGEST || buckets == 0 {
            return Err(format!("n-grams of up to {maxn} characters in {buckets} buckets"));
        }
        match self.scheme {
            Scheme::Floret { hashes, .. } if !(1..=MOST_HASHES).contains(&hashes) => {
                Err(format!("pieces of words in {hashes} buckets each, of 1 to {MOST_HASHES}"))
            }
            _ => Ok(()),
        }
    }
}
