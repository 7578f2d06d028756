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
/// Bytes of the parameters before the buckets.
pub(crate) const PARAMETERS_LEN: usize = 4 * (ROWS + 1);
/// The one way of making n-grams that there is: fastText's.
const FASTTEXT: u32 = 1;
/// More than any model has; a longer n-gram would make long words slow.
pub(crate) const LONGEST: u32 = 255;
const OF_EOS: u32 = 1;
const UNIT: u32 = 2;

/// How words are cut into n-grams. Hashes are taken modulo `buckets`.
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
        let Ngrams { minn, maxn, buckets, of_eos } = self.ngrams;
        let flags = if of_eos { OF_EOS } else { 0 } | if self.unit { UNIT } else { 0 };
        let fields = [FASTTEXT, minn, maxn, buckets, flags, self.rows];
        fields.iter().chain(kept.unwrap_or_default()).flat_map(|field| field.to_le_bytes()).collect()
    }

    pub(crate) fn decode(section: &[u8]) -> Result<Parameters, FormatError> {
        if section.len() < PARAMETERS_LEN {
            return Err(corrupt(format!("{} bytes of subword parameters", section.len())));
        }
        let field = |i: usize| u32_at(section, 4 * i);
        if field(KIND) != FASTTEXT || field(FLAGS) & !(OF_EOS | UNIT) != 0 {
            return Err(FormatError::TooNew(format!("n-grams of kind {}, flags {:#x}", field(KIND), field(FLAGS))));
        }
        let ngrams = Ngrams {
            minn: field(MINN),
            maxn: field(MAXN),
            buckets: field(BUCKETS),
            of_eos: field(FLAGS) & OF_EOS != 0,
        };
        if ngrams.maxn > LONGEST || ngrams.buckets == 0 {
            let Ngrams { maxn, buckets, .. } = ngrams;
            return Err(corrupt(format!("n-grams of up to {maxn} characters in {buckets} buckets")));
        }
        Ok(Parameters { ngrams, unit: field(FLAGS) & UNIT != 0, rows: field(ROWS) })
    }
}
