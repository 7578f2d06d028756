//! The first bytes of a model: its magic, and the arguments it was trained with.

use super::reader::Reader;
use crate::{
    error::Result,
    format::subwords::{LONGEST, MOST_HASHES, Ngrams, Scheme},
};

/// The first four bytes since May 2017.
const MAGIC: u32 = 793_712_314;
/// The versions that have been since then.
const VERSIONS: std::ops::RangeInclusive<i32> = 11..=12;
/// The arguments: twelve `i32` and a float64.
const ARGUMENTS_LEN: usize = 56;
/// The model that is a classifier.
const SUPERVISED: i32 = 3;
/// floret's modes, of which the second has its own n-grams, and the seed of its hashes.
const FLORET_MODES: std::ops::RangeInclusive<i32> = 1..=2;
const FLORET_MODE: i32 = 2;
/// More hashes than anybody asked for, and fewer than the half of a float64 that stands there otherwise.
const MOST_OF_FLORET: i32 = 1_000;
const FLORET_SEED: u32 = 2_166_136_261;
/// What floret has between the arguments.
const FLORET_MORE: usize = 8;
/// sent2vec's, whose files are fastText's: words, then buckets of n-grams of words, which no word has.
const SENT2VEC: i32 = 4;

/// What a model says of itself before its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Whether it has the magic, and what came with it: an index of what was pruned, flags before the matrices.
    pub marked: bool,
    pub dim: u32,
    /// Buckets of the n-grams of characters and of words; 0 where there are none.
    pub buckets: u32,
    /// How words are cut; `None` where words have no n-grams.
    pub ngrams: Option<Ngrams>,
}

/// Whether a file that starts with `head` is a model: by its magic, or, where it is older than that, by arguments and
/// counts that make sense.
pub(crate) fn is_model(head: &[u8]) -> bool {
    let field =
        |i: usize| head.get(4 * i..4 * i + 4).and_then(|bytes| Some(i32::from_le_bytes(bytes.try_into().ok()?)));
    let Some(first) = field(0) else { return false };
    if first as u32 == MAGIC {
        return true;
    }
    let sensible = |i: usize, least: i32, most: i32| field(i).is_some_and(|number| (least..=most).contains(&number));
    let counts = [14, 15, 16].map(|i| field(i).filter(|&count| count >= 0));
    // dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn, lrUpdateRate.
    (1..=100_000).contains(&first)
        && [1, 2, 3, 4].iter().all(|&i| sensible(i, 0, 1_000_000))
        && sensible(5, 0, 1_000)
        && sensible(6, 1, 4)
        && sensible(7, 1, 3)
        && sensible(8, 0, i32::MAX)
        && [9, 10].iter().all(|&i| sensible(i, 0, LONGEST as i32))
        && sensible(11, 0, i32::MAX)
        && matches!(counts, [Some(size), Some(words), Some(labels)] if words > 0 && words.checked_add(labels) == Some(size))
}

impl Header {
    /// Reads the magic, where there is one, and the arguments.
    pub(super) fn read(reader: &mut Reader) -> Result<Header> {
        let first = reader.i32("a fastText model")?;
        let mut version = None;
        let dim = if first as u32 == MAGIC {
            version = Some(reader.i32("the version")?);
            reader.count("dim")?
        } else {
            u32::try_from(first).unwrap_or(0)
        };
        if let Some(version) = version.filter(|version| !VERSIONS.contains(version)) {
            let (oldest, newest) = (VERSIONS.start(), VERSIONS.end());
            return Err(reader.refuse(format!("fastText's version {version}; embmap reads {oldest} to {newest}")));
        }
        let rest = reader.array::<{ ARGUMENTS_LEN - 4 }>("the arguments of a model")?;
        let field = |i: usize| {
            let at = 4 * (i - 1);
            i32::from_le_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]])
        };
        let (model, buckets, minn, maxn) = (field(7), field(8), field(9), field(10));
        let characters = 0..=LONGEST as i32;
        if dim == 0
            || !(1..=SENT2VEC).contains(&model)
            || buckets < 0
            || !characters.contains(&minn)
            || !characters.contains(&maxn)
        {
            let dim = if version.is_some() { i64::from(dim) } else { i64::from(first) };
            return Err(reader.refuse(format!(
                "dim {dim}, model {model}, {buckets} buckets of n-grams of {minn} to {maxn} characters: this is no fastText \
                 model; format=\"text\" reads the vectors that fastText writes as text"
            )));
        }
        // The first classifiers had no n-grams of characters, whatever they say.
        let without = version == Some(*VERSIONS.start()) && model == SUPERVISED;
        let (minn, maxn, buckets) = (minn as u32, maxn as u32, buckets as u32);
        let of_eos = version.is_none();
        // Where fastText has a rate of 100 and the first half of a float64, which is no number as small.
        let (mode, hashes) = (field(11), field(12));
        let of_floret = version.is_some() && FLORET_MODES.contains(&mode) && (1..=MOST_OF_FLORET).contains(&hashes);
        if of_floret {
            if hashes as u32 > MOST_HASHES {
                return Err(reader.refuse(format!("a model of floret's with {hashes} hashes, of 1 to {MOST_HASHES}")));
            }
            reader.array::<FLORET_MORE>("the arguments of a model of floret's")?;
        }
        let scheme = match of_floret && mode == FLORET_MODE {
            true => Scheme::Floret { hashes: hashes as u32, seed: FLORET_SEED },
            false => Scheme::FastText,
        };
        let cuts = buckets > 0 && (scheme != Scheme::FastText || maxn >= minn.max(1)) && !without;
        let ngrams = cuts.then_some(Ngrams { minn, maxn, buckets, of_eos, scheme });
        Ok(Header { marked: version.is_some(), dim, buckets, ngrams })
    }
}
